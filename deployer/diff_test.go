package deployer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

const planCompose = `
services:
  app:
    image: nginx:1.27
    depends_on: [db, cache]
    environment:
      - GREETING=hello
      - DB_PASSWORD=correct-horse
      - DATABASE_URL=postgres://web:correct-horse@db/web
    configs: [conf]
    secrets: [key]
    networks: [internal, proxy]
    volumes: [data:/data]
    deploy: {labels: [example=1]}
  db:
    image: postgres:17
    networks: [internal]
  cache:
    image: redis:7
    networks: [internal]
networks:
  internal: {internal: true}
  proxy: {external: true}
volumes: {data: }
configs: {conf: {name: "${STACK_NAME}_conf_v1", file: conf.txt}}
secrets: {key: {name: "${STACK_NAME}_key_${SECRET_KEY_VERSION}", external: true}}
`

var planImages = []string{"nginx:1.27", "postgres:17", "redis:7", "nginx:1.28"}

func wantPlanned(t *testing.T, compose string) *Desired {
	return wantStack(t, compose, "SECRET_KEY_VERSION=v1 # length=32\n", "1.0.0+1.27", planImages...)
}

// deployedStack is the stack that a deploy of d would leave.
func deployedStack(t *testing.T, d *Desired) *Stack {
	t.Helper()
	data, err := json.Marshal(d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	var s Stack
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	for name, n := range s.Networks {
		n.ID = "id-of-" + name
		s.Networks[name] = n
	}
	for name, service := range s.Services {
		service.ID = "id-of-" + name
		for i, n := range service.Spec.TaskTemplate.Networks {
			service.Spec.TaskTemplate.Networks[i].Target = "id-of-" + n.Target
		}
		s.Services[name] = service
	}
	return &s
}

// bareSwarm is a swarm with what a first deploy needs, and no stack.
func bareSwarm() *Stack {
	return &Stack{
		Networks: map[string]Network{"proxy": {Name: "proxy", ID: "p", External: true}},
		Secrets:  map[string]Secret{"web_example_org_key_v1": {Name: "web_example_org_key_v1", External: true}},
	}
}

func planOf(t *testing.T, d *Desired, current *Stack) *Plan {
	t.Helper()
	p, err := NewPlan(d, current)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func changeOf(p *Plan, name string) *Change {
	if i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Name == "web_example_org_"+name }); i >= 0 {
		return &p.Changes[i]
	}
	return nil
}

func TestPlanGolden(t *testing.T) {
	first := wantPlanned(t, planCompose)
	changed := strings.NewReplacer("nginx:1.27", "nginx:1.28", "GREETING=hello", `"GREETING=\x1b[31m"`, "correct-horse", "battery-staple",
		"example=1", "example=2", "  cache:\n    image: redis:7\n    networks: [internal]\n", "", ", cache]", "]", "_conf_v1", "_conf_v2").Replace(planCompose)
	for name, p := range map[string]*Plan{
		"first":     planOf(t, first, bareSwarm()),
		"unchanged": planOf(t, first, deployedStack(t, first)),
		"upgrade":   planOf(t, wantPlanned(t, changed), deployedStack(t, first)),
	} {
		for i := range p.Warnings { // the env file stands in a temporary folder
			p.Warnings[i], _, _ = strings.Cut(p.Warnings[i], " and not in ")
		}
		golden(t, "plan/"+name+".json", asJSON(t, p))
		for suffix, options := range map[string]RenderOptions{".txt": {}, ".all.txt": {Unchanged: true}, ".color.txt": {Color: true}} {
			var out bytes.Buffer
			if err := p.Render(&out, options); err != nil {
				t.Fatal(err)
			}
			golden(t, "plan/"+name+suffix, out.Bytes())
		}
	}
}

func TestPlanOfADeployedStackIsEmpty(t *testing.T) {
	d := wantPlanned(t, planCompose)
	if p := planOf(t, d, deployedStack(t, d)); !p.Empty() || p.From != "1.0.0+1.27" {
		t.Errorf("plan = %s, from %q; want nothing to change from 1.0.0+1.27", asJSON(t, p.Changes), p.From)
	}
}

func TestPlanIsTheSameTwice(t *testing.T) {
	for range 5 {
		a, b := planOf(t, wantPlanned(t, planCompose), bareSwarm()), planOf(t, wantPlanned(t, planCompose), bareSwarm())
		if x, y := asJSON(t, a.Changes), asJSON(t, b.Changes); !bytes.Equal(x, y) {
			t.Fatalf("plans differ:\n%s\n%s", x, y)
		}
	}
}

func TestPlanOrder(t *testing.T) {
	p := planOf(t, wantPlanned(t, planCompose), bareSwarm())
	var got []string
	for _, c := range p.Changes {
		got = append(got, c.Kind+" "+strings.TrimPrefix(c.Name, "web_example_org_"))
	}
	want := []string{"network internal", "config conf_v1", "secret key_v1", "volume data", "service cache", "service db", "service app"}
	if !slices.Equal(got, want) {
		t.Errorf("order = %q, want %q", got, want)
	}
}

func TestDeployOrder(t *testing.T) {
	for _, test := range []struct {
		on   map[string][]string
		want string
	}{
		{nil, "a b c"},
		{map[string][]string{"a": {"b"}, "b": {"c"}}, "c b a"},
		{map[string][]string{"a": {"gone"}}, "a b c"},
		{map[string][]string{"a": {"b"}, "b": {"a"}}, "c a b"}, // a circle
		{map[string][]string{"a": {"a"}}, "a b c"},
	} {
		if got := strings.Join(deployOrder([]string{"c", "a", "b"}, test.on), " "); got != test.want {
			t.Errorf("order with %v = %q, want %q", test.on, got, test.want)
		}
	}
}

func TestPlanMasksSecrets(t *testing.T) {
	before, after := wantPlanned(t, planCompose), wantPlanned(t, strings.ReplaceAll(planCompose, "correct-horse", "battery-staple"))
	p := planOf(t, after, deployedStack(t, before))
	text := string(asJSON(t, p))
	for _, secret := range []string{"correct-horse", "battery-staple"} {
		if strings.Contains(text, secret) {
			t.Errorf("the plan shows %q:\n%s", secret, text)
		}
	}
	if c := changeOf(p, "app"); c == nil || len(c.Fields) != 2 || !c.Restarts {
		t.Errorf("change of app = %+v, want the password and the URL, masked", c)
	}
}

func TestPlanRemoves(t *testing.T) {
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, d)
	current.Services["web_example_org_old"] = Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web_example_org_old"}}}
	current.Networks["web_example_org_old"] = Network{Name: "web_example_org_old"}
	current.Networks["elsewhere"] = Network{Name: "elsewhere", External: true}
	current.Configs["web_example_org_conf_v0"] = Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "web_example_org_conf_v0"}}}
	p := planOf(t, d, current)
	last := p.Changes[len(p.Changes)-1]
	if last.Kind != "network" || last.Name != "web_example_org_old" || last.Action != Remove {
		t.Errorf("last change = %+v, want the network's removal, behind the services'", last)
	}
	if c := changeOf(p, "old"); c == nil || c.Kind != "service" || c.Action != Remove {
		t.Errorf("change = %+v, want the service's removal", c)
	}
	if c := changeOf(p, "conf_v0"); c == nil || c.Action != Keep {
		t.Errorf("change = %+v, want the old config kept", c)
	}
	if slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Name == "elsewhere" }) {
		t.Error("the plan touches a network of someone else")
	}
}

func TestPlanIsBlocked(t *testing.T) {
	for _, test := range []struct {
		name, want, hint string
		kind             fault.Kind
		change           func(*Stack)
	}{
		{"config", `config "web_example_org_conf_v1" exists with other content; the recipe changed it without a new version`, "abra.sh", fault.Unavailable, func(s *Stack) {
			c := s.Configs["web_example_org_conf_v1"]
			c.Spec.Data = []byte("other\n")
			s.Configs["web_example_org_conf_v1"] = c
		}},
		{"template driver", "exists with other content", "abra.sh", fault.Unavailable, func(s *Stack) {
			c := s.Configs["web_example_org_conf_v1"]
			c.Spec.Templating = &swarm.Driver{Name: "golang"}
			s.Configs["web_example_org_conf_v1"] = c
		}},
		{"secret", "secret not generated: web_example_org_key_v1", "galley app secret generate web.example.org", fault.Unavailable, func(s *Stack) {
			delete(s.Secrets, "web_example_org_key_v1")
		}},
		{"external network", `external network "proxy" does not exist`, "docker network create", fault.Unavailable, func(s *Stack) {
			delete(s.Networks, "proxy")
		}},
		{"recipe", `the stack "web_example_org" runs the recipe "other"; expected "web"`, "undeploy", fault.Refused, func(s *Stack) {
			s.Services["web_example_org_app"].Spec.Labels["coop-cloud.web_example_org.recipe"] = "other"
		}},
		{"network", `network "web_example_org_internal" differs in Internal`, "undeploy", fault.Unavailable, func(s *Stack) {
			n := s.Networks["web_example_org_internal"]
			n.Options.Internal = false
			s.Networks["web_example_org_internal"] = n
		}},
		{"network of another", `belongs to the stack "theirs"`, "rename", fault.Unavailable, func(s *Stack) {
			s.Networks["web_example_org_internal"] = Network{External: true, Options: network.CreateOptions{Labels: map[string]string{NamespaceLabel: "theirs"}}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := wantPlanned(t, planCompose)
			current := deployedStack(t, d)
			test.change(current)
			p, err := NewPlan(d, current)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error = %v, want %q", err, test.want)
			}
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("kind %v, hint %q; want %v, %q", fault.KindOf(err), fault.HintOf(err), test.kind, test.hint)
			}
			if p == nil || len(p.Changes) == 0 {
				t.Error("there is no plan to show with the error")
			}
		})
	}
}

func TestPlanListsAllThatIsMissing(t *testing.T) {
	_, err := NewPlan(wantPlanned(t, planCompose), nil)
	for _, want := range []string{"proxy", "web_example_org_key_v1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestPlanOverAnUnlabelledStackWarns(t *testing.T) {
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, d)
	delete(current.Services["web_example_org_app"].Spec.Labels, "coop-cloud.web_example_org.recipe")
	if p := planOf(t, d, current); !strings.Contains(strings.Join(p.Warnings, "\n"), "does not say from which recipe") {
		t.Errorf("warnings = %q", p.Warnings)
	}
}

func TestNetworkLabelsAreKept(t *testing.T) {
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, d)
	current.Networks["web_example_org_internal"].Options.Labels["by"] = "hand"
	p := planOf(t, d, current)
	if !p.Empty() || !strings.Contains(strings.Join(p.Warnings, "\n"), "keeps its labels") {
		t.Errorf("empty %v, warnings %q; want an empty plan with a warning", p.Empty(), p.Warnings)
	}
}

func TestVolumeThatATaskMountsIsThere(t *testing.T) {
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, d)
	current.Volumes = nil // they are on other nodes
	if c := changeOf(planOf(t, d, current), "data"); c == nil || c.Action != Keep {
		t.Errorf("change = %+v, want Keep", c)
	}
}

func TestVolumeKeepsItsDriver(t *testing.T) {
	d := wantPlanned(t, strings.Replace(planCompose, "data: }", "data: {driver_opts: {type: nfs}}}", 1))
	current := deployedStack(t, d)
	if p := planOf(t, d, current); strings.Contains(strings.Join(p.Warnings, "\n"), "keeps its driver") {
		t.Errorf("warnings = %q, want none of an equal volume", p.Warnings)
	}
	v := current.Volumes["web_example_org_data"]
	v.Options.DriverOpts = nil
	current.Volumes["web_example_org_data"] = v
	if p := planOf(t, d, current); !strings.Contains(strings.Join(p.Warnings, "\n"), `volume "web_example_org_data" exists and keeps its driver`) {
		t.Errorf("warnings = %q, want one about the volume", p.Warnings)
	}
}
