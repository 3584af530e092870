package rules

import "testing"

func TestTemplates(t *testing.T) {
	config := func(driver string) string {
		return "configs:\n  c:\n    name: ${STACK_NAME}_c_v1\n    file: c.tmpl\n" + driver
	}
	const uses = "    configs:\n      - source: c\n        target: /c\n"
	const golang = "    template_driver: golang\n"
	tests := []struct {
		name, rule, service, driver, template string
		want                                  []string
	}{
		{"set", "R154", uses + "    environment: [A=1]\n", golang, `{{ env "A" }}`, nil},
		{"passed on, in a map", "R154", uses + "    environment:\n      A:\n", golang, `{{ env "A" }}`, nil},
		{"an env_file may have it", "R154", uses + "    env_file: x.env\n", golang, `{{ env "A" }}`, nil},
		{"nobody has the config", "R154", "", golang, `{{ env "A" }}`, nil},
		{"a comment", "R154", uses, golang, `{{/* env "A" */}}`, nil},
		{"in branches, once", "R154", uses, golang, "é\n{{ if eq (env \"A\") \"1\" }}{{ range $x := slice (env \"A\") 1 }}{{ else }}{{ with env \"B\" }}x{{ end }}{{ end }}{{ end }}",
			[]string{
				`c.tmpl:2:16-17 the template takes "A", which the environment of service "app" does not have, so it is empty; expected it in environment`,
				`c.tmpl:2:84-85 the template takes "B", which the environment of service "app" does not have, so it is empty; expected it in environment`,
			}},
		{"attached", "R155", uses + "    secrets:\n      - source: s\n        target: t\n", golang, `{{ secret "t" }}{{ config "/c" }}`, nil},
		{"by its key", "R155", uses + "    secrets: [s]\n", golang, `{{ secret "s" }}`, nil},
		{"by its key, with a target", "R155", uses + "    secrets:\n      - source: s\n        target: t\n", golang, `{{ secret "s" }}`,
			[]string{`c.tmpl:1:12-13 the template takes secret "s", which service "app" does not have, so its tasks are rejected; expected it among the service's secrets`}},
		{"no driver", "R156", "", "", "x\n{{- env \"A\" }}",
			[]string{`compose.yml:8:11-17 config "c" is made of "c.tmpl", which has "{{- env \"A\" }}", but swarm leaves it as it is without template_driver: golang; expected that`}},
		{"another program's braces", "R156", "", "", "{{ .Env.A }} {{ environment \"x\" }} {{ getenv \"X\" }}", nil},
		{"golang", "R157", "", golang, "", nil},
		{"golang by default", "R157", "", "    template_driver: ${D:-golang}\n", "", nil},
		{"another driver", "R157", "", "    template_driver: jinja\n", "",
			[]string{`compose.yml:9:22-27 template_driver of config "c" is "jinja", which swarm does not have, so tasks are rejected; expected golang`}},
		{"Go's functions", "R158", uses, golang, `{{ printf "%q" (join "," "a" "b") | html }}{{ .Service.Name }}`, nil},
		{"a function of others", "R158", uses, golang, "a\n{{ env \"A\" | upper }}",
			[]string{`c.tmpl:2:14-19 swarm's templates have no function "upper", so tasks are rejected; expected join, env, secret or config, or one of Go's`}},
		{"not closed", "R158", uses, golang, "{{ if true }}", []string{`c.tmpl:1:1-14 swarm cannot read the template at "{{ if true }}", so tasks are rejected: unexpected EOF`}},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			expect(t, found(t, test.rule, "compose.yml", envCompose(test.service, config(test.driver)), "c.tmpl", test.template, ".env.sample", "TYPE=a\n"), test.want...)
		})
	}
}

func TestOverlaysOfRecipes(t *testing.T) {
	const base = "services:\n  app:\n    image: a:1\nvolumes:\n  db:\n    driver: local\n"
	tests := []struct {
		name, rule, sample, overlay string
		want                        []string
	}{
		{"listed", "R137", "COMPOSE_FILE='compose.yml:compose.a.yml'\n", "version: '3.8'\n", nil},
		{"not listed", "R137", "TYPE=a\n", "version: '3.8'\n",
			[]string{`compose.a.yml:1:1-1 no COMPOSE_FILE in .env.sample names the overlay "compose.a.yml", so operators do not learn of it; expected #COMPOSE_FILE="$COMPOSE_FILE:compose.a.yml"`}},
		{"there", "R136", "COMPOSE_FILE=./compose.yml:compose.a.yml:$MORE\n", "version: '3.8'\n", nil},
		{"missing", "R136", "# COMPOSE_FILE=\"$COMPOSE_FILE:compose.b.yml\"\n", "version: '3.8'\n",
			[]string{`.env.sample:1:31-44 COMPOSE_FILE names "compose.b.yml", which is not there; expected "compose.a.yml"`}},
		{"outside", "R136", "COMPOSE_FILE=compose.yml:../x.yml\n", "version: '3.8'\n",
			[]string{`.env.sample:1:26-34 COMPOSE_FILE names "../x.yml", outside of the recipe; expected a compose file of the recipe`}},
		{"both forms", "R138", "TYPE=a\n", "services:\n  app:\n    environment: {A: b}\n    deploy: {labels: [a=b]}\n", nil},
		{"external", "R138", "TYPE=a\n", "volumes:\n  db:\n    external: true\n",
			[]string{`compose.a.yml:3:5-13 volume "db" has "external" here and "driver" in compose.yml, so the two files cannot be merged; expected one of them`}},
		{"nothing of it", "R138", "TYPE=a\n", "volumes:\n  db:\n", nil},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			expect(t, found(t, test.rule, "compose.yml", base, "compose.a.yml", test.overlay, ".env.sample", test.sample), test.want...)
		})
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		name, rule, objects string
		want                []string
	}{
		{"shared on purpose", "R139", "networks:\n  proxy:\n    external: true\n", nil},
		{"the operator's", "R139", "volumes:\n  v:\n    name: ${VOLUME}\n", nil},
		{"none", "R139", "volumes:\n  v:\n", nil},
		{"of a server", "R139", "volumes:\n  v:\n    name: data\n", []string{`compose.yml:7:11-15 the name "data" of volume "v" is the same for every app on a server; expected ${STACK_NAME}_v in it`}},
		{"a secret by its key", "R139", "secrets:\n  s:\n    external: true\n", []string{`compose.yml:6:3-4 the name "s" of secret "s" is the same for every app on a server; expected ${STACK_NAME}_s in it`}},
		{"only a version", "R139", "secrets:\n  s:\n    external: true\n    name: s_${SECRET_S_VERSION}\n", []string{`compose.yml:8:11-32 the name "s_${SECRET_S_VERSION}" of secret "s" is the same for every app on a server; expected ${STACK_NAME}_s in it`}},
		{"64 characters", "R140", "configs:\n  c:\n    name: ${STACK_NAME}_123456789012345_${C_VERSION}\n", nil},
		{"65 characters", "R140", "configs:\n  c:\n    name: ${STACK_NAME}_1234567890123456_${C_VERSION}\n",
			[]string{`compose.yml:7:11-54 config "c" is named "${STACK_NAME}_1234567890123456_v1", 65 characters for a stack of 45; expected at most 64, which swarm takes`}},
		{"a network without a name", "R140", "networks:\n  n12345678901234567:\n", []string{`compose.yml:6:3-21 network "n12345678901234567" is named "${STACK_NAME}_n12345678901234567", 64 characters for a stack of 45; expected at most 63, which swarm takes`}},
		{"a long secret is R015's", "R140", "secrets:\n  s123456789012:\n    name: ${STACK_NAME}_s1234567890123456789_v1\n", nil},
		{"a version", "R141", "configs:\n  c:\n    file: x\n    name: ${STACK_NAME}_c_${C_VERSION}\n", nil},
		{"a written version", "R141", "configs:\n  c:\n    file: x\n    name: ${STACK_NAME}_c_v2\n", nil},
		{"no name", "R141", "configs:\n  c:\n    file: x\n", []string{`compose.yml:6:3-4 the name of config "c" has no version, so a change of its file cannot be deployed; expected ${STACK_NAME}_c_${C_VERSION}`}},
		{"the name's", "R142", "configs:\n  c:\n    name: ${STACK_NAME}_d_${D_VERSION}\n", nil},
		{"another's", "R142", "configs:\n  c:\n    name: ${STACK_NAME}_c_${D_VERSION}\n", []string{`compose.yml:7:29-38 config "c" takes its version from D_VERSION; expected C_VERSION, where maintainers look for it`}},
		{"shared", "R142", "configs:\n  c:\n    name: ${STACK_NAME}_c_${C_VERSION}\n  d:\n    name: ${STACK_NAME}_d_${C_VERSION}\n",
			[]string{`compose.yml:9:29-38 config "d" shares the version C_VERSION with config "c", so a change of one replaces both; expected D_VERSION`}},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			expect(t, found(t, test.rule, "compose.yml", envCompose("", test.objects), ".env.sample", "TYPE=a\n"), test.want...)
		})
	}
}
