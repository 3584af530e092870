package deployer

import (
	"strings"
	"testing"
)

// downCompose is a service whose update is asked about.
const downCompose = `
services:
  app:
    image: nginx:1.27
    healthcheck: {test: [CMD, "true"]}
    volumes: ["data:/data:ro"]
    deploy:
      replicas: 1
      update_config: {order: stop-first}
volumes: {data: }
`

func TestDowntime(t *testing.T) {
	startFirst := []string{"stop-first", "start-first"}
	noCheck := []string{`    healthcheck: {test: [CMD, "true"]}` + "\n", ""}
	three := []string{"replicas: 1", "replicas: 3"}
	image := []string{"nginx:1.27", "nginx:1.28"}
	for _, c := range []struct {
		name     string
		before   []string // changes of both versions
		after    []string // of the new one
		expected Expected
		why      string
		warning  string
	}{
		{"one replica", nil, image, SureDowntime, "1 replica, stop-first", ""},
		{"labels", nil, []string{"replicas: 1", "replicas: 1\n      labels: [a=b]"}, NoDowntime, "", ""},
		{"start-first", startFirst, image, NoDowntime, "start-first, with a health check", ""},
		{"start-first, no check", append(noCheck, startFirst...), image, PossibleDowntime, "no health check tells when the new task is ready", ""},
		{"start-first, check disabled", append([]string{`test: [CMD, "true"]`, "disable: true"}, startFirst...), image, PossibleDowntime, "no health check", ""},
		{"start-first is new", nil, append(startFirst, image...), NoDowntime, "start-first", ""},
		{"volume", append([]string{":ro", ""}, startFirst...), image, NoDowntime, "start-first", `old and the new task on volume "web_example_org_data"`},
		{"host port", append([]string{"    volumes", "    ports: [{target: 80, published: 8080, mode: host}]\n    volumes"}, startFirst...), image,
			PossibleDowntime, "port 8080 in host mode: the new task cannot start", "port 8080 in host mode"},
		{"three replicas", three, image, NoDowntime, "1 of 3 replicas at a time, with a health check", ""},
		{"three, no check", append(noCheck, three...), image, PossibleDowntime, "1 of 3 replicas at a time, and no health check", ""},
		{"three at once", append([]string{"order: stop-first", "parallelism: 0"}, three...), image, SureDowntime, "all 3 replicas at once", ""},
		{"mode", nil, []string{"replicas: 1", "mode: global"}, SureDowntime, "swarm cannot change a mode", ""},
		{"global", []string{"replicas: 1", "mode: global"}, image, SureDowntime, "each node", ""},
		{"to none", nil, []string{"replicas: 1", "replicas: 0"}, SureDowntime, "scaled to 0", ""},
		{"from none", []string{"replicas: 1", "replicas: 0"}, image, NoDowntime, "no replica runs", ""},
		{"nothing", nil, nil, NoDowntime, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := func(changes ...[]string) *Desired {
				text := downCompose
				for _, list := range changes {
					for i := 0; i+1 < len(list); i += 2 {
						if !strings.Contains(text, list[i]) {
							t.Fatalf("no %q in %s", list[i], text)
						}
						text = strings.ReplaceAll(text, list[i], list[i+1])
					}
				}
				return wantStack(t, text, "", "1.0.0+1.27", "nginx:1.27", "nginx:1.28")
			}
			p := planOf(t, want(c.before, c.after), deployedStack(t, want(c.before)))
			change := changeOf(p, "app")
			if d := change.Downtime; d.Expected != c.expected || !strings.Contains(d.Why, c.why) || c.why == "" && d.Why != "" {
				t.Errorf("downtime %+v, want %s and %q", d, c.expected, c.why)
			}
			if warned := strings.Join(p.Warnings, "\n"); c.warning == "" && strings.Contains(warned, "start-first") || !strings.Contains(warned, c.warning) {
				t.Errorf("warnings %q, want %q", warned, c.warning)
			}
		})
	}
	d := wantStack(t, downCompose, "", "1.0.0+1.27", "nginx:1.27")
	gone := deployedStack(t, d)
	app := gone.Services["web_example_org_app"]
	gone.Services["web_example_org_old"] = app
	if c := changeOf(planOf(t, d, gone), "old"); c.Downtime.Expected != SureDowntime {
		t.Errorf("a removed service: %+v", c)
	}
}

func TestPlanShowsWhatWasScaledByHand(t *testing.T) {
	d := wantStack(t, downCompose, "", "1.0.0+1.27", "nginx:1.27", "nginx:1.28")
	scaled := &Desired{Stack: deployedStack(t, d)}
	if err := scaled.Scale("app", 4); err != nil {
		t.Fatal(err)
	}
	next := wantStack(t, strings.Replace(downCompose, "1.27", "1.28", 1), "", "1.1.0+1.28", "nginx:1.27", "nginx:1.28")
	p := planOf(t, next, scaled.Stack)
	if s := changeOf(p, "app").Scaled; s == nil || s.Replicas != 4 || s.Recipe != 1 {
		t.Errorf("scaled %+v", s)
	}
	if text := rendered(t, p); !strings.Contains(text, "      replicas stay at 4, as an operator scaled it; the recipe says 1\n") {
		t.Errorf("the text is\n%s", text)
	}
	if s := changeOf(planOf(t, d, deployedStack(t, d)), "app").Scaled; s != nil {
		t.Errorf("nobody scaled it: %+v", s)
	}
}
