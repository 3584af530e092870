package rules

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
)

func TestComposeVersions(t *testing.T) {
	tests := []struct {
		name  string
		files []string
		want  []string
	}{
		{"expected", []string{"compose.yml", "version: '3.8'\n"}, nil},
		{"a number is the schema's finding", []string{"compose.yml", "version: 3.8\n"}, nil},
		{"older", []string{"compose.yml", "version: \"3.7\"\n"}, []string{`compose.yml:1:10-15 version is "3.7"; expected "3.8"`}},
		{"missing", []string{"compose.yml", "services: {}\n"}, []string{`compose.yml:1:1-1 no version; expected version: "3.8"`}},
		{"empty", []string{"compose.yml", "version:\n"}, []string{`compose.yml:1:1-8 version is empty; expected "3.8"`}},
		{"a list", []string{"compose.yml", "version: [3]\n"}, []string{`compose.yml:1:1-8 version is a list; expected "3.8"`}},
		{"overlay", []string{"compose.yml", "version: '3.8'\n", "compose.a.yml", "version: '3.9'\n"}, []string{`compose.a.yml:1:10-15 version is "3.9"; expected "3.8"`}},
		{"broken", []string{"compose.yml", "version: [\n"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expect(t, found(t, "R001", test.files...), test.want...) })
	}
}

func TestAnOverlaysVersionPointsAtTheBase(t *testing.T) {
	files := fstest.MapFS{
		"compose.yml":   {Data: []byte("# c\nversion: '3.8'\n")},
		"compose.a.yml": {Data: []byte("services: {}\n")},
	}
	findings := run(t, files, lint.World{}, lint.Options{Only: []string{"R001"}}).Findings
	if len(findings) != 1 || len(findings[0].Related) != 1 || findings[0].Related[0].Start.Line != 2 || findings[0].Related[0].File != "compose.yml" {
		t.Errorf("findings %+v; expected one, related to compose.yml:2", findings)
	}
}

func TestMetadata(t *testing.T) {
	block := func(lines string) string { return "# A\n<!-- metadata -->\n" + lines + "<!-- endmetadata -->\n" }
	const rest = "* **Image**: [`a`](https://a.org), 4, upstream\n* **Healthcheck**: Yes\n* **Backups**: No\n* **Email**: N/A\n* **Tests**: 0\n"
	tests := []struct {
		name, readme string
		want         []string
	}{
		{"filled in", block("* **Category**: Apps\n* **Status**: 0\n" + rest + "* **SSO**: No\n"), nil},
		{"dashes and emoji", block("- **Category**: Apps\n- **Status**: ❶💚\n" + rest + "- **SSO**: ❌\n"), nil},
		{"no block", "# A\n", []string{`README.md:1:1-1 no metadata block; expected "<!-- metadata -->" to "<!-- endmetadata -->" with Category and so on`}},
		{"missing fields", block("* **Category**: Apps\n" + rest), []string{`README.md:2:1-18 the metadata block lacks Status, SSO`}},
		{"empty", block("* **Category**:\n* **Status**: 0\n" + rest + "* **SSO**: No\n"), []string{`README.md:3:5-13 metadata field "Category" is empty; expected such as Apps or Utilities`}},
		{"question mark", block("* **Category**: Apps\n* **Status**: ?\n" + rest + "* **SSO**: No\n"), []string{`README.md:4:15-16 metadata field "Status" still has the placeholder "?"; expected 0 to 5`}},
		{"template", block("* **Category**: Apps\n* **Status**: 0\n" + rest + "* **SSO**: {{ .SSO }}\n"), []string{`README.md:10:12-22 metadata field "SSO" still has the placeholder "{{ .SSO }}"; expected 0 to 3, N/A or No`}},
		{"variable inside", block("* **Category**: ❶ ${REPO_NAME} b\n* **Status**: 0\n" + rest + "* **SSO**: No\n"),
			[]string{`README.md:3:19-31 metadata field "Category" still has the placeholder "${REPO_NAME}"; expected such as Apps or Utilities`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, found(t, "R007", "compose.yml", "services: {}", "README.md", test.readme), test.want...)
		})
	}
	t.Run("no README", func(t *testing.T) {
		expect(t, found(t, "R007", "compose.yml", "services: {}"), `README.md:1:1-1 no README.md; expected one with a metadata block`)
	})
}

func TestSample(t *testing.T) {
	expect(t, found(t, "R008", "compose.yml", "services: {}", ".env.sample", ""))
	expect(t, found(t, "R008", "compose.yml", "services: {}"),
		`.env.sample:1:1-1 no .env.sample, which an app's env file is copied from; expected one with at least TYPE=`)
	expect(t, found(t, "R008", "compose.yml", "services: {}", ".env.example", ""),
		`.env.sample:1:1-1 no .env.sample, which an app's env file is copied from; there is ".env.example": give it that place`)
	expect(t, found(t, "R008", "compose.yml", "services: {}", "docs/.env.sample", ""),
		`.env.sample:1:1-1 no .env.sample, which an app's env file is copied from; there is "docs/.env.sample": give it that place`)
	expect(t, found(t, "R008", "compose.yml", "services: {}", ".env.sample/x", "")) // S201 says that it cannot be read
}

func TestConfigVersions(t *testing.T) {
	compose := "configs:\n  a:\n    name: ${STACK_NAME}_a_${A_VERSION}\n"
	const export = "; expected export A_VERSION=v1"
	tests := []struct{ name, script, want string }{
		{"exported", "export A_VERSION=v1\n", ""},
		{"exported later", "A_VERSION=v1\nexport A_VERSION\n", ""},
		{"not there", "export B_VERSION=v1\n", `which abra.sh does not export` + export},
		{"not exported", "A_VERSION=v1\n", `which abra.sh sets without export` + export},
		{"computed", "export A_VERSION=$(date)\n", `which abra.sh only computes when it runs` + export},
		{"empty", "export A_VERSION=\n", `which abra.sh exports empty` + export},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{`compose.yml:3:27-39 config "a" is named after "A_VERSION", ` + test.want}
			}
			expect(t, found(t, "R012", "compose.yml", compose, "abra.sh", test.script), want...)
		})
	}
	t.Run("no script", func(t *testing.T) {
		expect(t, found(t, "R012", "compose.yml", compose),
			`compose.yml:3:27-39 config "a" is named after "A_VERSION", but there is no abra.sh; expected one with export A_VERSION=v1`)
	})
	t.Run("an overlay's configs, and a default", func(t *testing.T) {
		expect(t, found(t, "R012", "compose.yml", "services: {}", "abra.sh", "", "compose.a.yml", "configs:\n  a:\n    name: \"a_${A_VERSION:-v1}\"\n"),
			`compose.a.yml:3:14-30 config "a" is named after "A_VERSION", which abra.sh does not export; expected export A_VERSION=v1`)
	})
	t.Run("no name, no version", func(t *testing.T) {
		expect(t, found(t, "R012", "compose.yml", "configs:\n  a: {file: x}\n  b: {name: '${STACK_NAME}_b'}\n  c:\n"))
	})
}

func TestSecretNames(t *testing.T) {
	compose := "secrets:\n  twelve_chars:\n    external: true\n  thirteen_char:\n    external: true\n"
	const want = `has 13 characters; expected at most 12, since swarm takes 64 for stack, secret and version together`
	expect(t, found(t, "R015", "compose.yml", compose), `compose.yml:4:3-16 secret "thirteen_char" `+want)
	t.Run("an overlay that repeats it", func(t *testing.T) {
		expect(t, found(t, "R015", "compose.yml", compose, "compose.a.yml", compose), `compose.yml:4:3-16 secret "thirteen_char" `+want)
	})
}

func TestSyntax(t *testing.T) {
	expect(t, found(t, "S201", "abra.sh", ""), `compose.yml:1:1-1 no compose file; expected one of compose.yml, compose.yaml, docker-compose.yml, docker-compose.yaml, docker-stack.yml or docker-stack.yaml`)
	expect(t, found(t, "S201", "compose.yml", "a:\n\t- b\n"), `compose.yml:2:1-2 found character that cannot start any token, while scanning for the next token that starts at line 2`)
	expect(t, found(t, "S201", "compose.yml", "services: {}\nx: 1\nservices: {}\n"), `compose.yml:3:1-9 key "services" is written twice in one mapping; expected once`)
	expect(t, found(t, "S201", "compose.yml", "services: {}", "compose.a.yml", ""), `compose.a.yml:1:1-1 the file is empty; expected a mapping with services`)
	expect(t, found(t, "S201", "compose.yml", "services: {}", ".env.sample/x", ""), `.env.sample:1:1-1 ".env.sample" cannot be read: ".env.sample" is not a regular file`)
}

func TestRulesSkipWithoutAWorld(t *testing.T) {
	skipped := map[string]string{}
	for _, s := range run(t, baseRecipe(t), lint.World{}, lint.Options{}).Skipped {
		skipped[s.Rule] = s.Reason
	}
	for rule, reason := range map[string]string{
		"R006": "offline: there is no catalogue to look into",
		"R013": "offline: the upstream is not asked",
		"R014": "no git history",
	} {
		if skipped[rule] != reason {
			t.Errorf("rule %s skipped with %q, expected %q", rule, skipped[rule], reason)
		}
	}
	for rule, reason := range skipped {
		if reason != "no git history" && !strings.HasPrefix(reason, "offline: ") {
			t.Errorf("rule %s skipped with %q; expected it to want a world", rule, reason)
		}
	}
}

func TestAWorldThatFailsIsNoFinding(t *testing.T) {
	down := facts{history: true, catalogue: true, unreachable: errors.New("it is down")}
	result := run(t, baseRecipe(t), down.world(), lint.Options{Only: []string{"R006", "R014"}})
	expect(t, lines(result.Findings))
	if len(result.Skipped) != 2 || result.Skipped[0].Reason != "the catalogue cannot be read: it is down" || result.Skipped[1].Reason != "the git history cannot be read: it is down" {
		t.Errorf("skipped %+v", result.Skipped)
	}
}

func TestPublished(t *testing.T) {
	tests := []struct{ name, facts, want string }{
		{"not in the catalogue", "published:", `.env.sample:1:6-11 recipe "pages" is not in the catalogue; expected a published version`},
		{"in the catalogue, no history", "published: 1.0.0+1", ""},
		{"newest not published", "published: 1.0.0+1\nannotated: 1.0.0+1, 1.1.0+1", `.env.sample:1:6-11 version "1.1.0+1" of recipe "pages" is tagged, but not in the catalogue; its newest there is "1.0.0+1"`},
		{"newest published", "published: 1.0.0+1\nannotated: 1.0.0+1\nlightweight: other", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := run(t, baseRecipe(t), parseFacts(t, test.facts).world(), lint.Options{Only: []string{"R006"}})
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			expect(t, lines(result.Findings), want...)
		})
	}
}

func TestAnnotated(t *testing.T) {
	tests := []struct{ name, facts, want string }{
		{"one", "lightweight: 1.0.0+1", `compose.yml:1:1-1 tag "1.0.0+1" is lightweight; expected an annotated one (git tag -a)`},
		{"names that are no versions", "lightweight: archive, 2021-05-01, backup-2", ""},
		{"wild versions", "lightweight: v1.0.3, 2.4.8", `compose.yml:1:1-1 tags "2.4.8", "v1.0.3" are lightweight; expected annotated ones (git tag -a)`},
		{"many", "lightweight: 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6", `compose.yml:1:1-1 tags "1.0", "1.1", "1.2", "1.3", "1.4" and 2 more are lightweight; expected annotated ones (git tag -a)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := run(t, baseRecipe(t), parseFacts(t, test.facts).world(), lint.Options{Only: []string{"R014"}})
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			expect(t, lines(result.Findings), want...)
		})
	}
}
