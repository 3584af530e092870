package rules

import (
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
)

// pasts runs one rule over the base recipe with diffs laid over it, its facts and
// diffs of earlier versions ("version@path") given as a page's blocks.
func pasts(t *testing.T, rule, blocks string) []string {
	t.Helper()
	base := baseRecipe(t)
	e := parseExample(t, blocks)
	return lines(run(t, e.over(t, base), e.world(t, base), lint.Options{Only: []string{rule}}).Findings)
}

func labelled(labels string) string {
	return "services:\n  app:\n    image: nginx:1.27.3\n    deploy:\n      labels:\n" + labels
}

func TestVersionLabels(t *testing.T) {
	const missing = `deploy.labels of service "app" have no coop-cloud.${STACK_NAME}.version; expected one with the recipe's version, such as 1.0.0+1.27.3`
	tests := []struct{ name, rule, labels, want string }{
		{"missing", "R101", "        - a=b\n", `compose.yml:5:7-13 ` + missing},
		{"missing from a mapping", "R101", "        a: b\n", `compose.yml:5:7-13 ` + missing},
		{"in a flow list", "R101", "        ['coop-cloud.${STACK_NAME}.version=1.0.0+1']\n", ""},
		{"old form instead", "R101", "        - coop-cloud.${STACK_NAME}.app.version=1\n", ""},
		{"under another name", "R101", "        - coop-cloud.x.version=1\n", ""},
		{"empty", "R102", "        - \"coop-cloud.${STACK_NAME}.version=\"\n", `compose.yml:6:12-44 label "coop-cloud.${STACK_NAME}.version" is empty; expected the recipe's version, such as 1.0.0+1.27.3`},
		{"without an equals sign", "R102", "        - coop-cloud.${STACK_NAME}.version\n", `compose.yml:6:11-43 label "coop-cloud.${STACK_NAME}.version" is empty; expected the recipe's version, such as 1.0.0+1.27.3`},
		{"no app part", "R102", "        - coop-cloud.${STACK_NAME}.version=1.0.0\n", `compose.yml:6:44-49 version "1.0.0" has no app version behind a "+"; expected <recipe>+<app>, such as 1.0.0+1.27.3`},
		{"two numbers", "R102", "        - coop-cloud.${STACK_NAME}.version=1.0+2\n", `compose.yml:6:44-49 version "1.0+2" is none; expected <recipe>+<app>, such as 1.0.0+1.27.3`},
		{"a v", "R102", "        - coop-cloud.${STACK_NAME}.version=v1.0.0+2\n", `compose.yml:6:44-52 version "v1.0.0+2" starts with "v"; expected <recipe>+<app>, such as 1.0.0+1.27.3`},
		{"quotes inside are another rule's", "R102", "        - coop-cloud.${STACK_NAME}.version=\"1.0.0+2\"\n", ""},
		{"in a mapping", "R102", "        coop-cloud.${STACK_NAME}.version: 1.0.0\n", `compose.yml:6:43-48 version "1.0.0" has no app version behind a "+"; expected <recipe>+<app>, such as 1.0.0+1.27.3`},
		{"a version", "R102", "        - coop-cloud.${STACK_NAME}.version=1.0.0-rc.1+v2.3_4\n", ""},
		{"a variable is another rule's", "R102", "        - coop-cloud.${STACK_NAME}.version=${V}\n", ""},
		{"a variable", "R103", "        - coop-cloud.${STACK_NAME}.version=1.0.0+${V:-1}\n", `compose.yml:6:50-57 the version label holds the variable "V", which each app's env file may set; expected the recipe's own version, such as 1.0.0+1.27.3`},
		{"an escaped dollar", "R103", "        - coop-cloud.${STACK_NAME}.version=$$V\n", ""},
		{"old form", "R104", "        - coop-cloud.${STACK_NAME}.app.version=1.27.3-0a1b2c3d\n",
			`compose.yml:6:11-47 label "coop-cloud.${STACK_NAME}.app.version" is of the form that clients stopped reading in 2021; expected coop-cloud.${STACK_NAME}.version=1.0.0+1.27.3`},
		{"a name of its own", "R106", "        - coop-cloud.pages.version=1.0.0+1\n", `compose.yml:6:22-27 label "coop-cloud.pages.version" is named after the stack "pages"; expected ${STACK_NAME}, or clients find it for no other app`},
		{"another variable", "R106", "        - coop-cloud.${STACK}.timeout=1\n", `compose.yml:6:22-30 label "coop-cloud.${STACK}.timeout" is named after the stack "${STACK}"; expected ${STACK_NAME}, or clients find it for no other app`},
		{"a mapping", "R106", "        coop-cloud.pages.version: 1.0.0+1\n",
			`compose.yml:6:9-33 label "coop-cloud.pages.version" is named after the stack "pages"; expected the list item "coop-cloud.${STACK_NAME}.version", which every app's clients find`},
		{"a variable in a mapping is another rule's", "R106", "        coop-cloud.${STACK_NAME}.version: 1.0.0+1\n", ""},
		{"without braces", "R106", "        - coop-cloud.$STACK_NAME.version=1.0.0+1\n", ""},
		{"a client's", "R107", "        - coop-cloud.${STACK_NAME}.chaos-version=0a1b2c3d\n",
			`compose.yml:6:36-49 label "coop-cloud.${STACK_NAME}.chaos-version": clients set "chaos-version" themselves with each deploy; expected a recipe without it`},
		{"nobody's", "R107", "        - coop-cloud.${STACK_NAME}.app=true\n",
			`compose.yml:6:36-39 label "coop-cloud.${STACK_NAME}.app": "app" is not among the keys that clients know; expected version or timeout`},
		{"no key", "R107", "        - coop-cloud.${STACK_NAME}=true\n",
			`compose.yml:6:11-35 label "coop-cloud.${STACK_NAME}": "" is not among the keys that clients know; expected version or timeout`},
		{"another app", "R108", "        - coop-cloud.${STACK_NAME}.version=1.0.0+1.27\n", `compose.yml:6:50-54 the version label says that the app is "1.27", but its image has the tag "1.27.3"`},
		{"the same but for a v", "R108", "        - coop-cloud.${STACK_NAME}.version=1.0.0+v1.27.3\n", ""},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			expect(t, found(t, test.rule, "compose.yml", labelled(test.labels)), want...)
		})
	}
	t.Run("R101/leaves no stanza to R016", func(t *testing.T) {
		expect(t, found(t, "R101", "compose.yml", "services:\n  app:\n    image: a:1\n"))
	})
}

func TestTheImagesTagMayComeFromTheSample(t *testing.T) {
	compose := "services:\n  app:\n    image: a:${TAG:-2}\n    deploy:\n      labels: ['coop-cloud.${STACK_NAME}.version=1.0.0+%']\n"
	at := func(app string) string { return compose[:len(compose)-4] + app + "']\n" }
	sample := "TYPE=a\nTAG=3\n"
	expect(t, found(t, "R108", "compose.yml", at("2"), ".env.sample", sample))
	expect(t, found(t, "R108", "compose.yml", at("3"), ".env.sample", sample))
	expect(t, found(t, "R108", "compose.yml", at("4"), ".env.sample", sample),
		`compose.yml:5:56-57 the version label says that the app is "4", but its image has the tag "2" (from the default of ${TAG})`)
	expect(t, found(t, "R108", "compose.yml", "services:\n  app:\n    image: a:${TAG}\n    deploy:\n      labels: ['coop-cloud.${STACK_NAME}.version=1.0.0+4']\n"))
}

func TestLabelsOnOtherServices(t *testing.T) {
	compose := labelled("        - coop-cloud.${STACK_NAME}.version=1.0.0+1.27.3\n")
	overlay := "services:\n  web:\n    deploy:\n      labels:\n        - coop-cloud.${STACK_NAME}.timeout=60\n        - coop-cloud.${STACK_NAME}.version=1.0.0+1\n  app:\n    deploy:\n      labels:\n        - coop-cloud.${STACK_NAME}.timeout=60\n"
	expect(t, found(t, "R105", "compose.yml", compose, "compose.web.yml", overlay),
		`compose.web.yml:5:11-43 label "coop-cloud.${STACK_NAME}.timeout" is on service "web"; expected it on "app", where clients look for it`,
		`compose.web.yml:6:11-43 label "coop-cloud.${STACK_NAME}.version" is on service "web"; expected it on "app", where clients look for it`)
	expect(t, found(t, "R105", "compose.yml", "services:\n  web:\n    deploy:\n      labels: ['coop-cloud.${STACK_NAME}.version=1.0.0+1']\n"))
}

func TestOldLabelsAreDroppedByALine(t *testing.T) {
	compose := "services:\n  app:\n    image: a:1\n  db:\n    deploy:\n      labels:\n        - a=b\n        - coop-cloud.${STACK_NAME}.db.version=1-2\n        - c=d\n  x:\n    deploy:\n      labels: ['coop-cloud.${STACK_NAME}.x.version=1-2', 'a=b']\n"
	files := fstest.MapFS{"compose.yml": {Data: []byte(compose)}}
	findings := run(t, files, lint.World{}, lint.Options{Only: []string{"R104"}}).Findings
	if len(findings) != 2 || findings[0].Fix == nil || findings[1].Fix != nil {
		t.Fatalf("findings %+v; expected two, the first with a fix", findings)
	}
	if e := findings[0].Fix.Edits[0]; e.Start.Line != 8 || e.Start.Column != 1 || e.End.Line != 9 || e.End.Column != 1 || e.Text != "" {
		t.Errorf("edit %+v; expected line 8 to go", e)
	}
}

func TestTimeouts(t *testing.T) {
	tests := []struct{ name, value, sample, want string }{
		{"seconds", "120", "", ""},
		{"a default", "${TIMEOUT:-120}", "", ""},
		{"the sample's", "${TIMEOUT}", "TIMEOUT=300\n", ""},
		{"a duration", "2m", "", `compose.yml:6:44-46 the timeout label "2m" gives "2m"; expected a whole number of seconds, such as 120`},
		{"zero", "0", "", `compose.yml:6:44-45 the timeout label "0" gives "0"; expected a whole number of seconds, such as 120`},
		{"the sample's duration", "${TIMEOUT:-120}", "TIMEOUT=2m\n", `compose.yml:6:44-59 the timeout label "${TIMEOUT:-120}" gives "2m"; expected a whole number of seconds, such as 120`},
		{"nothing", "", "", `compose.yml:6:11-43 label "coop-cloud.${STACK_NAME}.timeout" is empty; expected a number of seconds, such as 120`},
		{"no default", "${TIMEOUT}", "#TIMEOUT=120\n", `compose.yml:6:44-54 the timeout label depends on "TIMEOUT", which has no default, so an app without it cannot be deployed; expected ${TIMEOUT:-120}`},
		{"required", "${TIMEOUT:?}", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compose := labelled("        - coop-cloud.${STACK_NAME}.timeout=" + test.value + "\n")
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			expect(t, found(t, "R119", "compose.yml", compose, ".env.sample", test.sample), want...)
		})
	}
}
