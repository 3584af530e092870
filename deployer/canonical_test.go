package deployer

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/google/go-cmp/cmp"
)

var swarmNames = Names{
	Networks: map[string]string{"net1": "internal", "net2": "proxy"},
	Configs:  map[string]string{"cfg1": "conf_v1"},
	Secrets:  map[string]string{"sec1": "password_v1"},
}

// sentSpec is a spec as conversion makes it, storedSpec the same one as an engine
// gives it back (observed on Engine 20.10).
func sentSpec() swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image:   "nginx:1",
				Env:     []string{"B=2", "A=1"},
				Mounts:  []mount.Mount{{Type: mount.TypeVolume, Source: "data", Target: "/data/", VolumeOptions: &mount.VolumeOptions{}}, {Type: mount.TypeBind, Source: "/a", Target: "/a"}},
				Configs: []*swarm.ConfigReference{{ConfigName: "conf_v1", File: &swarm.ConfigReferenceFileTarget{Name: "conf", UID: "0", GID: "0", Mode: 0o444}}},
				Secrets: []*swarm.SecretReference{{SecretName: "password_v1", File: &swarm.SecretReferenceFileTarget{Name: "password", Mode: 0o444}}},
			},
			RestartPolicy: &swarm.RestartPolicy{},
			Networks:      []swarm.NetworkAttachmentConfig{{Target: "proxy", Aliases: []string{"web", "app"}}, {Target: "internal"}},
		},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1},
		EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 443, PublishedPort: 443}, {TargetPort: 80, PublishedPort: 80}}},
	}
}

func storedSpec() swarm.ServiceSpec {
	one, none := uint64(1), uint64(0)
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image:     "nginx:1",
				Env:       []string{"A=1", "B=2"},
				Isolation: container.IsolationDefault,
				DNSConfig: &swarm.DNSConfig{}, Privileges: &swarm.Privileges{},
				Mounts: []mount.Mount{
					{Type: mount.TypeBind, Source: "/a", Target: "/a", BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate}},
					{Type: mount.TypeVolume, Source: "data", Target: "/data"},
				},
				Configs: []*swarm.ConfigReference{{ConfigID: "cfg1", ConfigName: "conf_v1", File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}},
				Secrets: []*swarm.SecretReference{{SecretID: "sec1", SecretName: "password_v1", File: &swarm.SecretReferenceFileTarget{Name: "password", UID: "0", GID: "0", Mode: 0o444}}},
			},
			Resources:     &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{}},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, MaxAttempts: &none},
			Placement:     &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}}},
			Networks:      []swarm.NetworkAttachmentConfig{{Target: "net1"}, {Target: "net2", Aliases: []string{"app", "web"}}},
			ForceUpdate:   3,
			Runtime:       swarm.RuntimeContainer,
		},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, FailureAction: "pause", Order: "stop-first"},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP, Ports: []swarm.PortConfig{
			{Protocol: "tcp", TargetPort: 80, PublishedPort: 80, PublishMode: "ingress"},
			{Protocol: "tcp", TargetPort: 443, PublishedPort: 443, PublishMode: "ingress"},
		}},
	}
}

func TestStoredSpecEqualsSentSpec(t *testing.T) {
	sent, stored := flatten(canonical(sentSpec(), swarmNames)), flatten(canonical(storedSpec(), swarmNames))
	if diff := cmp.Diff(sent, stored); diff != "" {
		t.Errorf("a fresh deploy differs (-sent +stored):\n%s", diff)
	}
}

func TestCanonicalIsIdempotentAndLeavesItsInputAlone(t *testing.T) {
	spec := storedSpec()
	before, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	once := canonical(spec, swarmNames)
	twice := canonical(once, swarmNames)
	once.TaskTemplate.ContainerSpec.Env[0] = "A=changed"
	once.TaskTemplate.Networks[0].Target = "changed"
	*once.Mode.Replicated.Replicas = 9
	after, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("canonical changed its input, or shares memory with it")
	}
	if diff := cmp.Diff(canonical(storedSpec(), swarmNames), twice); diff != "" {
		t.Errorf("canonical twice differs from once:\n%s", diff)
	}
}

func TestOldPlaceOfNetworks(t *testing.T) {
	old, now := storedSpec(), storedSpec()
	*oldNetworks(&old), old.TaskTemplate.Networks = old.TaskTemplate.Networks, nil
	if !maps.Equal(flatten(canonical(old, swarmNames)), flatten(canonical(now, swarmNames))) {
		t.Error("networks in the spec's old place differ from the task template's")
	}
}

// TestEveryChangeShows makes one change at a time, as an operator would by hand.
func TestEveryChangeShows(t *testing.T) {
	zero, two := uint64(0), uint64(2)
	off := false
	for _, test := range []struct {
		path     string
		restarts bool
		change   func(*swarm.ServiceSpec)
	}{
		{"TaskTemplate.ContainerSpec.Image", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "nginx:2" }},
		{"TaskTemplate.ContainerSpec.Env[A]", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env[0] = "A=" }},
		{"TaskTemplate.ContainerSpec.Args", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"x"} }},
		{"TaskTemplate.ContainerSpec.Init", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Init = &off }},
		{"TaskTemplate.ContainerSpec.Labels[a]", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Labels = map[string]string{"a": "b"} }},
		{"TaskTemplate.ContainerSpec.Mounts[/a].ReadOnly", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Mounts[0].ReadOnly = true }},
		{"TaskTemplate.ContainerSpec.Configs[/conf].File.Mode", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Configs[0].File.Mode = 0o400 }},
		{"TaskTemplate.ContainerSpec.Secrets[/run/secrets/password].SecretName", true, func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Secrets[0] = &swarm.SecretReference{SecretName: "password_v0", File: s.TaskTemplate.ContainerSpec.Secrets[0].File}
		}},
		{"TaskTemplate.Networks[proxy].Aliases", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.Networks[1].Aliases = []string{"app"} }},
		{"TaskTemplate.Placement.Constraints", true, func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Placement.Constraints = []string{"node.role==manager"}
		}},
		{"TaskTemplate.Resources.Limits.NanoCPUs", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.Resources.Limits.NanoCPUs = 5 }},
		{"TaskTemplate.RestartPolicy.Condition", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.RestartPolicy.Condition = "none" }},
		{"TaskTemplate.RestartPolicy.MaxAttempts", true, func(s *swarm.ServiceSpec) { s.TaskTemplate.RestartPolicy.MaxAttempts = &two }},
		{"EndpointSpec.Mode", true, func(s *swarm.ServiceSpec) { s.EndpointSpec.Mode = "dnsrr" }},
		{"EndpointSpec.Ports[80:80/tcp].PublishMode", true, func(s *swarm.ServiceSpec) { s.EndpointSpec.Ports[0].PublishMode = "host" }},
		{"Mode.Replicated.Replicas", false, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &zero }},
		{"Labels[a]", false, func(s *swarm.ServiceSpec) { s.Labels["a"] = "b" }},
		{"UpdateConfig.Order", false, func(s *swarm.ServiceSpec) { s.UpdateConfig.Order = "start-first" }},
		{"UpdateConfig.Parallelism", false, func(s *swarm.ServiceSpec) { s.UpdateConfig.Parallelism = 0 }},
		{"UpdateConfig.Monitor", false, func(s *swarm.ServiceSpec) { s.UpdateConfig.Monitor = 5e9 }},
	} {
		t.Run(test.path, func(t *testing.T) {
			have := storedSpec()
			test.change(&have)
			change := serviceChange("web", have, sentSpec(), swarmNames, "", &masker{})
			if len(change.Fields) != 1 || change.Fields[0].Path != test.path {
				t.Fatalf("fields = %v, want one at %s", change.Fields, test.path)
			}
			if change.Restarts != test.restarts || change.Replace {
				t.Errorf("restarts = %v, replace = %v; want %v, false", change.Restarts, change.Replace, test.restarts)
			}
		})
	}
}

func TestChangedModeReplacesTheService(t *testing.T) {
	have := storedSpec()
	have.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	if change := serviceChange("web", have, sentSpec(), swarmNames, "", &masker{}); !change.Replace || !change.Restarts {
		t.Errorf("change = %+v, want Replace and Restarts", change)
	}
}

func TestEnginesThatDropAField(t *testing.T) {
	want := sentSpec()
	want.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{StartInterval: 1e9}
	want.TaskTemplate.ContainerSpec.Privileges = &swarm.Privileges{NoNewPrivileges: true}
	for _, test := range []struct {
		api    string
		fields int
	}{{"1.41", 0}, {"1.43", 0}, {"1.44", 2}, {"1.100", 2}, {"2.0", 2}, {"", 2}} {
		change := serviceChange("web", storedSpec(), want, swarmNames, test.api, &masker{})
		if len(change.Fields) != test.fields {
			t.Errorf("API %q: fields = %v, want %d", test.api, change.Fields, test.fields)
		}
	}
	stack := &Stack{Services: map[string]Service{"web": {Spec: want}}}
	if got := droppedWarnings(stack, "1.41"); len(got) != 2 {
		t.Errorf("warnings = %q, want one each for start_interval and no-new-privileges", got)
	}
	if want.TaskTemplate.ContainerSpec.Healthcheck == nil {
		t.Error("looking for warnings changed the wanted spec")
	}
}

func TestNextSpecKeepsWhatWouldRestartTasks(t *testing.T) {
	want, have := sentSpec(), storedSpec()
	want.Labels = map[string]string{"new": "label"}
	next := nextSpec(want, have, swarmNames, "")
	if next.Labels["new"] != "label" {
		t.Error("the wanted label is missing")
	}
	stored := storedSpec().TaskTemplate
	for i, name := range []string{"internal", "proxy"} {
		stored.Networks[i].Target = name
	}
	if diff := cmp.Diff(stored, next.TaskTemplate); diff != "" {
		t.Errorf("the task template is not the stored one (-stored +next):\n%s", diff)
	}
	if diff := cmp.Diff(have.EndpointSpec, next.EndpointSpec); diff != "" {
		t.Errorf("the endpoint is not the stored one:\n%s", diff)
	}

	want.TaskTemplate.ContainerSpec.Image = "nginx:2"
	next = nextSpec(want, have, swarmNames, "")
	if next.TaskTemplate.ContainerSpec.Image != "nginx:2" || next.TaskTemplate.ForceUpdate != 3 {
		t.Errorf("image %q, force update %d; want the new image and the stored counter",
			next.TaskTemplate.ContainerSpec.Image, next.TaskTemplate.ForceUpdate)
	}
}

func TestNetworksCompare(t *testing.T) {
	no := false
	wanted := network.CreateOptions{Driver: "overlay", Labels: map[string]string{"a": "b"}}
	current := network.CreateOptions{
		Driver: "overlay", Scope: "swarm", EnableIPv6: &no, Labels: map[string]string{"a": "b"},
		IPAM:    &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: "10.0.1.0/24", Gateway: "10.0.1.1"}}},
		Options: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"},
	}
	same := func(want network.CreateOptions) bool {
		return maps.Equal(flatten(canonicalNetwork(want, want)), flatten(canonicalNetwork(current, want)))
	}
	if !same(wanted) {
		t.Error("a network that the engine completed differs")
	}
	wanted.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.0.1.0/24"}}}
	if !same(wanted) {
		t.Error("a network with the wanted subnet differs")
	}
	wanted.IPAM.Config[0].Subnet = "10.0.2.0/24"
	if same(wanted) {
		t.Error("another subnet is not seen")
	}
	wanted.IPAM, wanted.Internal = nil, true
	if same(wanted) {
		t.Error("internal is not seen")
	}
}
