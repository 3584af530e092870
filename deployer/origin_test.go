package deployer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrigins(t *testing.T) {
	const text = `
services:
  app:
    image: nginx:1.27
    environment: {ASKED: "${GREETED}"}
    deploy: {labels: {kind: test}}
`
	want := wantStack(t, text, "GREETED=world\nEMPTY=\nPASSWORD=hunter2222\n", "1.0.0+1.27", "nginx:1.27")
	name := "web_example_org_app"
	stand := func(labels map[string]string, env ...string) *Stack {
		spec := copySpec(want.Stack.Services[name].Spec)
		delete(spec.Labels, LabelEntry)
		delete(spec.Labels, clientLabel("web_example_org", "chaos"))
		for key, value := range labels {
			spec.Labels[key] = value
		}
		spec.TaskTemplate.ContainerSpec.Env = env
		return &Stack{Name: "web_example_org", Services: map[string]Service{name: {Spec: spec, ID: "1"}}}
	}
	for title, test := range map[string]struct {
		current        *Stack
		recipe, client []string
	}{
		"the env file's": {
			stand(nil, "ASKED=world", "GREETED=world", "EMPTY=", "PASSWORD=hunter2222", "TYPE=web:0.1.0+1"),
			nil, []string{"Env[EMPTY]", "Env[GREETED]", "Env[PASSWORD]", "Env[TYPE]", "Labels[coop-cloud.web_example_org.chaos]", "Labels[galley.entry]"},
		},
		"other values, other recipe, what the recipe asks for": {
			stand(nil, "ASKED=other", "GREETED=earth", "EMPTY=full", "TYPE=wiki:1", "HAND=made"),
			[]string{"Env[ASKED]", "Env[EMPTY]", "Env[GREETED]", "Env[HAND]", "Env[TYPE]"},
			[]string{"Labels[coop-cloud.web_example_org.chaos]", "Labels[galley.entry]"},
		},
		"labels": {
			stand(map[string]string{
				"coop-cloud.web_example_org.version": "0.9.0+1.26", "coop-cloud.web_example_org.chaos": "true", "coop-cloud.web_example_org.chaos-version": "abc",
				"coop-cloud.web_example_org.timeout": "90", "coop-cloud.other.version": "1", "kind": "hand",
			}, "ASKED=world"),
			[]string{"Labels[coop-cloud.other.version]", "Labels[coop-cloud.web_example_org.version]", "Labels[kind]"},
			[]string{
				"Labels[coop-cloud.web_example_org.chaos-version]", "Labels[coop-cloud.web_example_org.chaos]",
				"Labels[coop-cloud.web_example_org.timeout]", "Labels[galley.entry]",
			},
		},
		"deployed by galley": {
			stand(map[string]string{LabelEntry: "old"}, "ASKED=world", "GREETED=world"),
			[]string{"Env[GREETED]", "Labels[coop-cloud.web_example_org.chaos]", "Labels[galley.entry]"}, nil,
		},
		"a work tree of galley's": {
			stand(map[string]string{LabelUnverified: "a work tree"}, "ASKED=world", "GREETED=world"),
			[]string{"Env[GREETED]", "Labels[coop-cloud.web_example_org.chaos]", "Labels[galley.entry]", "Labels[galley.unverified]"}, nil,
		},
	} {
		plan, err := NewPlan(want, test.current)
		if err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		var recipe, client []string
		for _, c := range plan.Changes {
			of, left := byOrigin(c.Fields)
			for _, f := range of {
				recipe = append(recipe, fieldName(f.Path))
			}
			for _, f := range left {
				client = append(client, fieldName(f.Path))
				if f.Old == "hunter2222" {
					t.Error("a password is shown")
				}
			}
		}
		if diff := cmp.Diff(sorted(test.recipe), sorted(recipe)) + cmp.Diff(sorted(test.client), sorted(client)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
	}
}

func sorted(names []string) []string {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return sortedKeys(set)
}
