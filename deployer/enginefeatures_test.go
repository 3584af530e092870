package deployer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// feature is something that a compose file asks of the engine.
type feature struct {
	key  string // as docs/engines.md calls it
	yaml string // the service's keys, in one flow mapping without its braces
	// effect tells whether a container has it; nil where no container shows it.
	effect func(container.InspectResponse) bool
}

// features are what a service may ask of the engine.
var features = []feature{
	{"entrypoint", `entrypoint: [/app]`, func(c container.InspectResponse) bool { return slices.Equal(c.Config.Entrypoint, []string{"/app"}) }},
	{"command", `command: [serve]`, func(c container.InspectResponse) bool { return slices.Equal(c.Config.Cmd, []string{"serve"}) }},
	{"environment", `environment: {A: b}`, func(c container.InspectResponse) bool { return slices.Contains(c.Config.Env, "A=b") }},
	{"hostname", `hostname: web`, func(c container.InspectResponse) bool { return c.Config.Hostname == "web" }},
	{"user", `user: "0:0"`, func(c container.InspectResponse) bool { return c.Config.User == "0:0" }},
	{"group_add", `group_add: ["33"]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.GroupAdd, "33") }},
	{"working_dir", `working_dir: /srv`, func(c container.InspectResponse) bool { return c.Config.WorkingDir == "/srv" }},
	{"labels", `labels: {own: label}`, func(c container.InspectResponse) bool { return c.Config.Labels["own"] == "label" }},
	{"tty", `tty: true`, func(c container.InspectResponse) bool { return c.Config.Tty }},
	{"stdin_open", `stdin_open: true`, func(c container.InspectResponse) bool { return c.Config.OpenStdin }},
	{"read_only", `read_only: true`, func(c container.InspectResponse) bool { return c.HostConfig.ReadonlyRootfs }},
	{"init", `init: true`, func(c container.InspectResponse) bool { return c.HostConfig.Init != nil && *c.HostConfig.Init }},
	{"stop_signal", `stop_signal: SIGINT`, func(c container.InspectResponse) bool { return c.Config.StopSignal == "SIGINT" }},
	{"stop_grace_period", `stop_grace_period: 3s`, nil},
	{"healthcheck", `healthcheck: {test: [CMD, /app, health], interval: 7s, timeout: 5s, retries: 4, start_period: 9s}`, func(c container.InspectResponse) bool {
		return c.Config.Healthcheck != nil && c.Config.Healthcheck.Retries == 4 && c.Config.Healthcheck.StartPeriod == 9e9
	}},
	{"healthcheck.start_interval", `healthcheck: {test: [CMD, /app, health], start_period: 9s, start_interval: 2s}`, func(c container.InspectResponse) bool {
		return c.Config.Healthcheck != nil && c.Config.Healthcheck.StartInterval == 2e9
	}},
	{"cap_add", `cap_add: [NET_ADMIN]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.CapAdd, "CAP_NET_ADMIN") }},
	{"cap_drop", `cap_drop: [CHOWN]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.CapDrop, "CAP_CHOWN") }},
	{"sysctls", `sysctls: {net.ipv4.ip_unprivileged_port_start: 80}`, func(c container.InspectResponse) bool {
		return c.HostConfig.Sysctls["net.ipv4.ip_unprivileged_port_start"] == "80"
	}},
	{"ulimits", `ulimits: {nofile: {soft: 1000, hard: 2000}}`, func(c container.InspectResponse) bool {
		return slices.ContainsFunc(c.HostConfig.Ulimits, func(u *container.Ulimit) bool { return u.Name == "nofile" && u.Hard == 2000 })
	}},
	{"security_opt no-new-privileges", `security_opt: ["no-new-privileges:true"]`, func(c container.InspectResponse) bool {
		return slices.ContainsFunc(c.HostConfig.SecurityOpt, func(o string) bool { return strings.HasPrefix(o, "no-new-privileges") })
	}},
	{"oom_score_adj", `oom_score_adj: 100`, func(c container.InspectResponse) bool { return c.HostConfig.OomScoreAdj == 100 }},
	{"dns", `dns: [127.0.0.53]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.DNS, "127.0.0.53") }},
	{"dns_search", `dns_search: example.org`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.DNSSearch, "example.org") }},
	{"dns_opt", `dns_opt: ["ndots:2"]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.DNSOptions, "ndots:2") }},
	{"extra_hosts", `extra_hosts: ["db:10.0.0.5"]`, func(c container.InspectResponse) bool { return slices.Contains(c.HostConfig.ExtraHosts, "db:10.0.0.5") }},
	{"logging", `logging: {driver: json-file, options: {max-size: 10m}}`, func(c container.InspectResponse) bool {
		return c.HostConfig.LogConfig.Type == "json-file" && c.HostConfig.LogConfig.Config["max-size"] == "10m"
	}},
	{"volumes", `volumes: ["data:/data"]`, mounted("/data")},
	{"volumes nocopy", `volumes: ["data:/nocopy:nocopy"]`, mounted("/nocopy")},
	{"volumes driver_opts", `volumes: ["ram:/ram"]`, mounted("/ram")},
	{"volumes.volume.subpath", `volumes: [{type: volume, source: data, target: /sub, volume: {subpath: part}}]`, func(c container.InspectResponse) bool {
		return slices.ContainsFunc(c.HostConfig.Mounts, func(m mount.Mount) bool { return m.VolumeOptions != nil && m.VolumeOptions.Subpath == "part" })
	}},
	{"volumes of type bind", `volumes: [{type: bind, source: /usr, target: /host, bind: {propagation: private}}]`, mounted("/host")},
	{"volumes of type tmpfs, tmpfs", `tmpfs: ["/run:size=64m,mode=1777"]`, func(c container.InspectResponse) bool {
		return slices.ContainsFunc(c.HostConfig.Mounts, func(m mount.Mount) bool {
			return m.Target == "/run" && m.TmpfsOptions != nil && m.TmpfsOptions.SizeBytes == 64<<20
		})
	}},
	{"configs", `configs: [{source: conf, target: /conf, uid: "33", mode: 0440}]`, nil},
	{"configs template_driver", `configs: [{source: tmpl, target: /tmpl}]`, nil},
	{"secrets", `secrets: [{source: word, uid: "33", mode: 0400}]`, nil},
	{"networks aliases", `networks: {internal: {aliases: [www]}}`, nil},
	{"networks driver_opts", `networks: {internal: {driver_opts: {a: b}}}`, nil},
	{"network_mode: host", `network_mode: host`, nil},
	{"ports", `ports: ["28080:80"]`, nil},
	{"ports of mode host", `ports: [{target: 80, published: "28081", mode: host}]`, nil},
	{"ports of protocol sctp", `ports: ["28082:80/sctp"]`, nil},
	{"deploy.mode global", `deploy: {placement: {constraints: [node.labels.none == such]}, mode: global}`, nil},
	{"deploy.mode replicated-job", `deploy: {placement: {constraints: [node.labels.none == such]}, mode: replicated-job, restart_policy: {condition: none}}`, nil},
	{"deploy.mode global-job", `deploy: {placement: {constraints: [node.labels.none == such]}, mode: global-job, restart_policy: {condition: none}}`, nil},
	{"deploy.endpoint_mode dnsrr", `deploy: {endpoint_mode: dnsrr}`, nil},
	{"deploy.labels", `deploy: {labels: {own: label}}`, nil},
	{"deploy.update_config", `deploy: {update_config: {parallelism: 2, delay: 1s, failure_action: rollback, monitor: 2s, max_failure_ratio: 0.5, order: start-first}}`, nil},
	{"deploy.rollback_config", `deploy: {rollback_config: {parallelism: 2, delay: 1s, failure_action: continue, monitor: 2s, max_failure_ratio: 0.5, order: start-first}}`, nil},
	{"deploy.restart_policy", `deploy: {restart_policy: {condition: on-failure, delay: 1s, max_attempts: 3, window: 5s}}`, nil},
	{"deploy.placement.constraints", `deploy: {placement: {constraints: [node.labels.none == such]}}`, nil},
	{"deploy.placement.preferences", `deploy: {placement: {preferences: [{spread: node.labels.zone}]}}`, nil},
	{"deploy.placement.max_replicas_per_node", `deploy: {placement: {max_replicas_per_node: 2}}`, nil},
	{"deploy.resources.limits cpus, memory", `deploy: {resources: {limits: {cpus: "0.5", memory: 64M}}}`, func(c container.InspectResponse) bool {
		return c.HostConfig.NanoCPUs == 5e8 && c.HostConfig.Memory == 64<<20
	}},
	{"deploy.resources.limits pids", `deploy: {resources: {limits: {pids: 100}}}`, func(c container.InspectResponse) bool {
		return c.HostConfig.PidsLimit != nil && *c.HostConfig.PidsLimit == 100
	}},
	{"deploy.resources.reservations", `deploy: {resources: {reservations: {cpus: "0.01", memory: 8M}}}`, nil},
	{"deploy.resources.reservations.generic_resources", `deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: SSD, value: 1}}]}}}`, nil},
	{"credential_spec", `credential_spec: {file: spec.json}`, nil},
}

func mounted(target string) func(container.InspectResponse) bool {
	return func(c container.InspectResponse) bool {
		return slices.ContainsFunc(c.Mounts, func(m container.MountPoint) bool { return m.Destination == target })
	}
}

// networkFeatures are what a network may ask of the engine.
var networkFeatures = []feature{
	{"networks", `{}`, nil},
	{"networks internal, attachable", `{internal: true, attachable: true}`, nil},
	{"networks driver_opts encrypted", `{driver_opts: {encrypted: "true"}}`, nil},
	{"networks ipam", `{ipam: {config: [{subnet: 10.77.0.0/24, gateway: 10.77.0.9}]}}`, nil},
	{"networks labels", `{labels: {own: label}}`, nil},
	{"networks enable_ipv6", `{enable_ipv6: true}`, nil},
	{"networks ipam, an IPv6 subnet", `{enable_ipv6: true, ipam: {config: [{subnet: "fd77::/64"}]}}`, nil},
	{"networks enable_ipv4: false", `{enable_ipv4: false}`, nil},
}

// together is a service whose one container shows the effect of all features that
// have one, but for the subpath: a volume must have the directory before.
const together = `{stop_grace_period: 1s,
      healthcheck: {test: [CMD, /app, health], interval: 7s, timeout: 5s, retries: 4, start_period: 9s, start_interval: 2s},
      volumes: ["data:/data", "data:/nocopy:nocopy", "ram:/ram", {type: bind, source: /usr, target: /host, bind: {propagation: private}}],
      deploy: {resources: {limits: {cpus: "0.5", memory: 64M, pids: 100}}}`

// featuresFile is a compose file with a service and a network for each feature, and
// the service that has all effects. The others have no replicas: that an engine
// keeps what it was asked for shows without a task.
func featuresFile() string {
	var b strings.Builder
	b.WriteString("services:\n  plain: {image: \"APP:1\", networks: [internal]}\n")
	all := together
	for i, f := range features {
		text := f.yaml
		if !strings.HasPrefix(text, "deploy: ") {
			text += ", deploy: {replicas: 0}"
		}
		if !strings.HasPrefix(text, "network") {
			text += ", networks: [internal]"
		}
		fmt.Fprintf(&b, "  f%d: {image: \"APP:1\", %s}\n", i, text)
		key, _, _ := strings.Cut(f.yaml, ":")
		if f.effect != nil && !slices.Contains([]string{"healthcheck", "volumes", "deploy"}, key) {
			all += ",\n      " + f.yaml
		}
	}
	b.WriteString("  together: " + all + ",\n      image: \"APP:1\", networks: [internal]}\n")
	b.WriteString("  nets: {image: \"APP:1\", networks: [n0")
	for i := range networkFeatures[1:] {
		fmt.Fprintf(&b, ", n%d", i+1)
	}
	b.WriteString("]}\nnetworks:\n  internal: {}\n")
	for i, f := range networkFeatures {
		fmt.Fprintf(&b, "  n%d: %s\n", i, f.yaml)
	}
	b.WriteString(`volumes:
  data: {}
  ram: {driver: local, driver_opts: {type: tmpfs, device: tmpfs}}
configs:
  conf: {file: ./conf.txt, name: "${STACK_NAME}_conf_${CONF_VERSION}"}
  tmpl: {file: ./conf.txt, name: "${STACK_NAME}_tmpl_${CONF_VERSION}", template_driver: golang}
secrets:
  word: {external: true, name: "${STACK_NAME}_word_v1"}
`)
	return b.String()
}

// What an engine does with a feature.
const (
	honoured  = "honoured" // a container, or the network, has it
	kept      = "kept"     // it is stored as asked; no container shows it
	dropped   = "dropped"  // it is neither stored nor refused
	refuses   = "refused"  // the engine says no
	withheld  = "kept, and no container has it"
	neverMade = "never made" // a network that is listed, and on which no task starts
)

// TestEnginesFeatures measures what the engine does with each feature, and compares
// the engine's column in docs/engines.md; -update writes that column.
func TestEnginesFeatures(t *testing.T) {
	r := newRig(t, "features")
	_, api := r.lab.node.Version()
	measured := r.measure()
	doc := readEnginesDoc(t)
	if *updateGolden {
		doc.write(t, api, measured)
		return
	}
	column := doc.column(api)
	if column < 0 {
		t.Fatalf("docs/engines.md has no column for API %s: run this test with -update", api)
	}
	for key, answer := range measured {
		if cells, ok := doc.rows[key]; !ok || cells[column] != answer {
			t.Errorf("%s: docs/engines.md says %q; the engine (API %s): %q", key, cells, api, answer)
		}
	}
	if len(doc.rows) != len(measured) {
		t.Errorf("docs/engines.md has %d features, %d were measured", len(doc.rows), len(measured))
	}
}

// measure asks the engine for every feature and looks at what it made of it.
func (r *rig) measure() map[string]string {
	r.t.Helper()
	ctx := r.t.Context()
	if err := r.CreateSecret(ctx, r.stack, r.stack+"_word_v1", []byte("x")); err != nil {
		r.t.Fatal(err)
	}
	d := r.desired("1.0.0", featuresFile())
	current, err := r.Current(ctx, r.stack, d.Stack)
	if err != nil {
		r.t.Fatal(err)
	}
	w := newWriter(r.Engine, current, nil, nil)
	answers := map[string]string{}
	for _, name := range sortedKeys(d.Stack.Configs) {
		if err := w.createConfig(ctx, d.Stack.Configs[name]); err != nil {
			r.t.Fatal(err)
		}
	}
	w.networks["host"] = r.predefined("host")
	for i, f := range networkFeatures {
		answers[f.key] = refusal(w.createNetwork(ctx, d.Stack.Networks[fmt.Sprintf("%s_n%d", r.stack, i)]))
	}
	// Swarm sets networks up in turn: when a task has the last one, it tried the others.
	if err := w.createNetwork(ctx, d.Stack.Networks[r.stack+"_internal"]); err != nil {
		r.t.Fatal(err)
	}
	for i, f := range features {
		_, err := w.createService(ctx, d.Stack.Services[fmt.Sprintf("%s_f%d", r.stack, i)].Spec)
		answers[f.key] = refusal(err)
	}
	if _, err := w.createService(ctx, d.Stack.Services[r.stack+"_together"].Spec); err != nil {
		r.t.Fatal(err)
	}
	r.judgeFeatures(d, answers)
	return answers
}

// predefined is the ID by which the swarm knows a network that every node has.
func (r *rig) predefined(name string) string {
	r.t.Helper()
	n, err := r.api.NetworkInspect(r.t.Context(), name, network.InspectOptions{Scope: "swarm"})
	if err != nil {
		r.t.Fatal(err)
	}
	return n.ID
}

// refusal is the answer that an error is, "" for none.
func refusal(err error) string {
	if err == nil {
		return ""
	}
	text := oneLine(err.Error())
	return refuses + ": " + text[strings.LastIndex(text, ": ")+2:]
}

// judgeFeatures compares what was asked with what is stored, and with a container.
func (r *rig) judgeFeatures(d *Desired, answers map[string]string) {
	r.t.Helper()
	together, err := r.inspect(r.t.Context(), r.stack+"_together")
	if err != nil {
		r.t.Fatal(err)
	}
	inspected := r.containerOf(together.ID)
	current, err := r.Current(r.t.Context(), r.stack, d.Stack)
	if err != nil {
		r.t.Fatal(err)
	}
	names := current.Names()
	plain := flatten(canonical(d.Stack.Services[r.stack+"_plain"].Spec, names))
	for i, f := range features {
		full := fmt.Sprintf("%s_f%d", r.stack, i)
		want, have := flatten(canonical(d.Stack.Services[full].Spec, names)), flatten(canonical(current.Services[full].Spec, names))
		asks := false
		for path, value := range want {
			if path == "Name" || strings.HasPrefix(path, "Mode.Replicated.") || plain[path] == value {
				continue
			}
			asks = true
			if answers[f.key] == "" && have[path] != value {
				answers[f.key] = dropped
				r.t.Logf("%s: %s is %q, asked for %q", f.key, path, have[path], value)
			}
		}
		switch {
		case !asks:
			r.t.Errorf("%s asks nothing of the engine", f.key)
		case answers[f.key] != "":
		case f.effect == nil || strings.HasSuffix(f.key, "subpath"):
			answers[f.key] = kept
		case f.effect(inspected):
			answers[f.key] = honoured
		default:
			answers[f.key] = withheld
		}
	}
	for i, f := range networkFeatures {
		full := fmt.Sprintf("%s_n%d", r.stack, i)
		want, have := d.Stack.Networks[full].Options, current.Networks[full].Options
		switch {
		case answers[f.key] != "":
		case have.Driver == "":
			answers[f.key] = neverMade
		case !maps.Equal(flatten(canonicalNetwork(want, want)), flatten(canonicalNetwork(have, want))), noIPv4(want) && hasIPv4(have):
			answers[f.key] = dropped
			r.t.Logf("%s: asked for %s, the network is %s", f.key, asJSON(r.t, want), asJSON(r.t, have))
		default:
			answers[f.key] = honoured
		}
	}
}

func noIPv4(n network.CreateOptions) bool { return n.EnableIPv4 != nil && !*n.EnableIPv4 }

func hasIPv4(n network.CreateOptions) bool {
	return n.IPAM != nil && slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return strings.Contains(c.Subnet, ".") })
}

// containerOf waits for a service's container.
func (r *rig) containerOf(service string) container.InspectResponse {
	r.t.Helper()
	var found container.InspectResponse
	r.eventually("the container of all features", func() bool {
		tasks, err := r.api.TaskList(r.t.Context(), swarm.TaskListOptions{Filters: newFilter("service", []string{service})})
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range tasks {
			status := tasks[i].Status.ContainerStatus
			if hasFailed(&tasks[i]) {
				r.t.Fatalf("the task of all features failed: %s", taskError(&tasks[i]))
			}
			if status == nil || status.ContainerID == "" {
				continue
			}
			if found, err = r.api.ContainerInspect(r.t.Context(), status.ContainerID); err == nil && found.State.Running {
				return true
			}
		}
		return false
	})
	return found
}
