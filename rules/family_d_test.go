package rules

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// styleTests are files and what is left of them after the fixes of the named rules,
// "" for nothing changed. left is how many findings stay, without a fix.
var styleTests = []struct {
	name, rules, before, after string
	left                       int
}{
	{"top level", "D501", "# head\n\nversion: \"3.8\"\n\nvolumes:\n  a:\n\n# the services\nservices:\n  app:\n    image: a:1\n",
		"# head\n\nversion: \"3.8\"\n\n# the services\nservices:\n  app:\n    image: a:1\n\nvolumes:\n  a:\n", 0},
	{"extensions stand first", "D501", "x-a: &a {k: v}\nversion: \"3.8\"\nx-b: *a\nservices: {}\n", "", 0},
	{"a head that would move", "D501", "# whose?\nvolumes:\n  a:\nservices: {}\n", "", 1},
	{"a comment of its own", "D501", "version: \"3\"\nvolumes:\n  a:\n\n# whose?\n\nservices: {}\n", "", 1},
	{"an anchor in what moves", "D501", "version: \"3\"\nvolumes:\n  a: &v\n    external: true\n  b: *v\nservices: {}\n", "", 1},
	{"a block scalar that ends the file", "D501", "configs:\n  a:\n    content: |\n      x\nservices:\n  b:\n    command: |\n      y", "", 1},
	{"two documents", "D501,D509,D510", "volumes: {} \nservices: {}\n---\na: b", "", 0},
	{"line ends of old", "D501,D509", "volumes:\r  a:\rservices: {} \r", "", 0},
	{"CRLF", "D501,D510", "volumes:\r\n  a:\r\n\r\nservices: {}", "services: {}\r\n\r\nvolumes:\r\n  a:\r\n", 0},
	{"service keys", "D502", "services:\n  app:\n    # where\n    networks: [a]\n    environment: # why\n    - B=1\n    # - C=1\n    - A=1\n    image: a:1 # what\n    x-a: b\n",
		"services:\n  app:\n    image: a:1 # what\n    # where\n    networks: [a]\n    environment: # why\n    - B=1\n    # - C=1\n    - A=1\n    x-a: b\n", 0},
	{"an item taken out of the list above", "D502", "services:\n  app:\n    networks:\n    - a\n    # - b\n    image: a:1\n", "", 1},
	{"a comment behind the last key", "D502", "services:\n  app:\n    networks: [a]\n    image: a:1\n    # user: b\n", "", 1},
	{"comments at the first column", "D502", "services:\n  app:\n    environment:\n      A: b\n#      B: c\n      C: d\n    image: a:1\n", "", 1},
	{"merged first", "D502", "x-a: &a\n  init: true\nservices:\n  app:\n    <<: *a\n    environment: {}\n    image: a:1\n",
		"x-a: &a\n  init: true\nservices:\n  app:\n    <<: *a\n    image: a:1\n    environment: {}\n", 0},
	{"merged late", "D502", "x-a: &a\n  init: true\nservices:\n  app:\n    environment: {}\n    <<: *a\n    image: a:1\n", "", 1},
	{"flow style", "D502,D504", "services: {app: {environment: [B=1, A=1], image: a:1}}\n", "", 0},
	{"duplicate keys", "D502", "services:\n  app:\n    environment: {}\n    image: a:1\n    image: a:2\n", "", 0},
	{"an aliased service", "D502", "services:\n  app: &a\n    environment: {}\n    image: a:1\n  b: *a\n",
		"services:\n  app: &a\n    image: a:1\n    environment: {}\n  b: *a\n", 0},
	{"services", "D503", "services:\n  db:\n    image: b:1\n\n  # first\n  app:\n    image: a:1\n", "services:\n  # first\n  app:\n    image: a:1\n\n  db:\n    image: b:1\n", 0},
	{"services by name", "D503", "services:\n  b:\n    command: |+\n      x\n\n  a:\n    image: a:1\n", "", 1},
	{"environment", "D504", "services:\n  app:\n    environment:\n      - \"B=x y\"\n      - A\n      - 'C=${D}'\n", "services:\n  app:\n    environment:\n      - A\n      - \"B=x y\"\n      - 'C=${D}'\n", 0},
	{"environment with comments", "D504", "services:\n  app:\n    environment:\n      - B=1 # b\n      - A=1\n", "", 0},
	{"environment twice", "D504", "services:\n  app:\n    environment:\n      - B=1\n      - A=1\n      - B=2\n", "", 0},
	{"environment elsewhere", "D504", "x-e: &e\n  - B=1\n  - A=1\nservices:\n  app:\n    environment: *e\n", "", 1},
	{"ports", "D505", "services:\n  app:\n    ports:\n      - \"443:8443\"\n      - 80:8080\n", "services:\n  app:\n    ports:\n      - 80:8080\n      - \"443:8443\"\n", 0},
	{"ports of variables", "D505", "services:\n  app:\n    ports:\n      - \"${P}:8443\"\n      - 80:8080\n", "", 0},
	{"labels", "D506", "services:\n  app:\n    deploy:\n      labels:\n        - a=1\n        - \"b=2\"\n        - c=\"d\"\n        - e='f\"\n", "services:\n  app:\n    deploy:\n      labels:\n        - \"a=1\"\n        - \"b=2\"\n        - 'c=\"d\"'\n        - e='f\"\n", 1},
	{"images", "D507", "services:\n  a:\n    image: \"a:1\" # b\n  b:\n    image: '12:30'\n  c:\n    image: \"${I}:1\"\n  d: {image: \"a:1\"}\n  e:\n    image: \"yes\"\n", "services:\n  a:\n    image: a:1 # b\n  b:\n    image: '12:30'\n  c:\n    image: ${I}:1\n  d: {image: \"a:1\"}\n  e:\n    image: \"yes\"\n", 0},
	{"port quotes", "D508", "services:\n  app:\n    ports:\n      - 80:80 # a\n      - 22:22\n      - 81\n", "services:\n  app:\n    ports:\n      - \"80:80\" # a\n      - 22:22\n      - 81\n", 0},
	{"blanks", "D509", "services:  \n  app:\t\n  \n    command: |  \n      a  \n    user: \"x  \n      y\" \n", "services:\n  app:\n\n    command: |  \n      a  \n    user: \"x  \n      y\" \n", 0},
	{"no line end", "D510", "services: {}", "services: {}\n", 0},
	{"blank lines at the end", "D510", "services: {}\n\n  \n", "services: {}\n", 0},
	{"a line end that counts", "D510", "services:\n  a:\n    command: |\n      b", "", 0},
	{"kept lines at the end", "D510", "services:\n  a:\n    command: |+\n      b\n\n\n", "", 0},
	{"blank lines", "D511", "version: \"3\"\n\n\n \nservices:\n  a:\n    command: |\n      b\n\n\n      c\n", "version: \"3\"\n\nservices:\n  a:\n    command: |\n      b\n\n\n      c\n", 0},
	{"quotes", "D512", "version: '3.8'\nservices:\n  a:\n    command: ['a\\b', 'c''d', 'e\"f', '', '#g']\n", "version: \"3.8\"\nservices:\n  a:\n    command: ['a\\b', 'c''d', 'e\"f', '', \"#g\"]\n", 0},
	{"a mark before all", "D510,D512", "\ufeffversion: '3.8'", "\ufeffversion: \"3.8\"\n", 0},
}

func TestStyleFixes(t *testing.T) {
	for _, test := range styleTests {
		t.Run(test.name, func(t *testing.T) {
			after, findings := styled(t, test.before, strings.Split(test.rules, ","))
			want := test.after
			if want == "" {
				want = test.before
			}
			if after != want {
				t.Errorf("fixed to\n%s\nexpected\n%s", after, want)
			}
			if len(findings) != test.left {
				t.Errorf("found %q after the fixes; expected %d", lines(findings), test.left)
			}
		})
	}
}

// styled is a compose file after the safe fixes of rules, and what they still find.
func styled(t *testing.T, text string, only []string) (string, []lint.Finding) {
	t.Helper()
	files := fstest.MapFS{"compose.yml": {Data: []byte(text)}}
	after, report := applied(t, files, lint.World{}, lint.Options{Only: only}, func(r *lint.Result) {
		r.Findings = slices.DeleteFunc(r.Findings, func(f lint.Finding) bool { return f.Fix != nil && !f.Fix.Safe })
	})
	for _, a := range report.Abandoned {
		t.Errorf("the fix of %s was abandoned: %s", a.Finding.Rule, a.Reason)
	}
	return string(after["compose.yml"].Data), report.Result.Findings
}

// TestStyleFixesKeepTheMeaning applies every style rule alone and all together to
// every compose file of the tests and pages, with both kinds of line ends.
func TestStyleFixesKeepTheMeaning(t *testing.T) {
	sets := [][]string{nil}
	for _, rule := range styleRules() {
		if !rule.Off || rule.Severity != lint.Info {
			t.Errorf("%s is %s, off: %t; expected info, off", rule.ID, rule.Severity, rule.Off)
		}
		sets[0] = append(sets[0], rule.ID)
		sets = append(sets, []string{rule.ID})
	}
	for name, text := range styleTexts(t) {
		for _, only := range sets {
			after, _ := styled(t, text, only)
			before, changed := recipe.ParseDocument(name, []byte(text)), recipe.ParseDocument(name, []byte(after))
			a, b := before.Root().Any(), changed.Root().Any()
			if slices.Contains(only, "D504") || slices.Contains(only, "D505") {
				a, b = meaning(before), meaning(changed)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%v make another file of %s:\n%s\nfrom\n%s", only, name, after, text)
			}
			if !slices.Equal(commentLines(text), commentLines(after)) {
				t.Errorf("%v lose comments of %s:\n%s", only, name, after)
			}
		}
	}
}

// styleTexts are compose files by name: of these tests, the base recipe and pages.
func styleTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	add := func(name, text string) {
		texts[name] = text
		texts[name+" with CRLF"] = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	for _, test := range styleTests {
		add(test.name, test.before)
	}
	base, err := filepath.Glob("testdata/base/compose*.yml")
	if err != nil || len(base) == 0 {
		t.Fatalf("the base recipe has no compose files: %v", err)
	}
	for _, name := range base {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		add(name, string(data))
	}
	for _, rule := range All() {
		page, _ := Page(rule.ID)
		for _, block := range fence.FindAllStringSubmatch(page, -1) {
			if strings.HasPrefix(block[1], "y") {
				add(rule.ID+" "+block[2], block[3])
			}
		}
	}
	return texts
}

func commentLines(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}

// FuzzStyle lets arbitrary files through the fixes: none changes what a file says.
func FuzzStyle(f *testing.F) {
	for _, test := range styleTests {
		f.Add(test.before)
	}
	f.Add("services:\n  b: &b\n    # c\n    environment:\n    - B=1\n    - A=1\n    <<: [*b]\n    image: 'x:1' \n\n\n  app: *b\nversion: '3'")
	f.Fuzz(func(t *testing.T, text string) {
		after, _ := styled(t, text, []string{"D"})
		before, changed := recipe.ParseDocument("compose.yml", []byte(text)), recipe.ParseDocument("compose.yml", []byte(after))
		if !reflect.DeepEqual(meaning(before), meaning(changed)) {
			t.Errorf("%q\nis fixed to\n%q", text, after)
		}
	})
}

// A message speaks of the file it stands in, which need not have a version.
func TestSingleQuotesAreNamedAlone(t *testing.T) {
	got := found(t, "D512", "compose.yml", "services:\n  app:\n    image: 'nginx:1.27.1'\n")
	expect(t, got, "compose.yml:3:12-26 'nginx:1.27.1' is in single quotes; expected double ones")
}
