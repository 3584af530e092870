package rules

import (
	"errors"
	"strings"
	"testing"

	"github.com/galley-coop/galley/lint"
)

const (
	tagged = "```facts\nannotated: 1.0.0+1.27.3\n```\n"
	edited = "```diff app.conf.tmpl\n-  listen 80;\n+  listen 81;\n```\n"
	bumped = "```diff abra.sh\n-export APP_CONF_VERSION=v1\n+export APP_CONF_VERSION=v2\n```\n"
)

// at makes blocks those of an earlier version.
func at(version, blocks string) string {
	return strings.ReplaceAll(blocks, "```diff ", "```diff "+version+"@")
}

func TestConfigs(t *testing.T) {
	const stale = `compose.yml:74:11-24 app.conf.tmpl changed since "1.0.0+1.27.3", and config "app_conf" still has the name ${STACK_NAME}_app_conf_v1; swarm refuses to change a config: expected APP_CONF_VERSION=v2`
	inOverlay := "```yaml compose.smtp.yml\nconfigs:\n  app_conf:\n    file: other.conf\n```\n```text other.conf\n# other\n```\n"
	tests := []struct{ name, rule, blocks, want string }{
		{"changed", "R114", tagged + edited, stale},
		{"changed and raised", "R114", tagged + edited + bumped, ""},
		{"changed before there was a version", "R114", edited, ""},
		{"no tags", "R114", "```facts\nannotated:\n```\n" + edited, ""},
		{"a version checked out, changed since the one before", "R114",
			"```facts\nannotated: 1.0.0+1.27.3, 1.1.0+1.27.3\n```\n" + edited + at("1.1.0+1.27.3", edited), stale},
		{"changed and changed back", "R114", "```facts\nannotated: 1.0.0+1.27.3, 1.1.0+1.27.3\n```\n" + edited + at("1.1.0+1.27.3", edited) + at("1.0.0+1.27.3", edited), ""},
		{"the name is not exported", "R114", tagged + edited + "```sh abra.sh\n```\n```sh 1.0.0+1.27.3@abra.sh\n```\n", ""},
		{"an overlay's file under the base's name", "R114", tagged + inOverlay,
			`compose.smtp.yml:3:11-21 other.conf is not what app.conf.tmpl was in "1.0.0+1.27.3", and config "app_conf" still has the name ${STACK_NAME}_app_conf_v1; swarm refuses to change a config: expected APP_CONF_VERSION=v2`},
		{"another driver", "R114", tagged + "```diff 1.0.0+1.27.3@compose.yml\n     file: app.conf.tmpl\n-    template_driver: golang\n```\n",
			`compose.yml:75:22-28 template_driver golang is new since "1.0.0+1.27.3", and config "app_conf" still has the name ${STACK_NAME}_app_conf_v1; swarm keeps a config as it was made: expected APP_CONF_VERSION=v2`},
		{"raised for nothing", "R115", tagged + bumped,
			`abra.sh:1:25-27 APP_CONF_VERSION went from "v1" to "v2", but app.conf.tmpl is what it was in "1.0.0+1.27.3"; expected a new version for a new text alone`},
		{"raised for something", "R115", tagged + edited + bumped, ""},
		{"raised late", "R115", "```facts\nannotated: 1.0.0+1.27.3, 1.1.0+1.27.3\n```\n" + edited + at("1.1.0+1.27.3", edited) + bumped, ""},
		{"back to another text", "R116", "```facts\nannotated: 1.0.0+1.27.3, 1.1.0+1.27.3\n```\n" + at("1.0.0+1.27.3", edited) + at("1.1.0+1.27.3", bumped),
			`abra.sh:1:25-27 APP_CONF_VERSION went back from "v2" to "v1", which in "1.0.0+1.27.3" was another app.conf.tmpl; swarm refuses to change a config: expected v3`},
		{"back to the same text", "R116", "```facts\nannotated: 1.0.0+1.27.3, 1.1.0+1.27.3\n```\n" + at("1.1.0+1.27.3", edited+bumped), ""},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			got := pasts(t, test.rule, test.blocks)
			for i := range got { // the base recipe's lines may move
				got[i] = withoutLine(got[i])
			}
			for i := range want {
				want[i] = withoutLine(want[i])
			}
			expect(t, got, want...)
		})
	}
}

// withoutLine takes the line out of "file:line:column-column message".
func withoutLine(finding string) string {
	parts := strings.SplitN(finding, ":", 3)
	return parts[0] + ":" + parts[2]
}

func TestAStaleConfigPointsAtItsExport(t *testing.T) {
	base := baseRecipe(t)
	e := parseExample(t, tagged+edited)
	findings := run(t, e.over(t, base), e.world(t, base), lint.Options{Only: []string{"R114"}}).Findings
	if len(findings) != 1 || len(findings[0].Related) != 1 || findings[0].Fix == nil {
		t.Fatalf("findings %+v; expected one with a related place and a fix", findings)
	}
	related, fix := findings[0].Related[0], findings[0].Fix
	if related.File != "abra.sh" || related.Start.Column != 8 || fix.Safe || fix.Edits[0].File != "abra.sh" || fix.Edits[0].Start.Column != 25 || fix.Edits[0].Text != "v2" {
		t.Errorf("related %+v, fix %+v; expected abra.sh:1:8, and v2 at abra.sh:1:25", related, fix)
	}
}

func TestPastVersions(t *testing.T) {
	label := func(version string) string {
		return "```diff compose.yml\n-        - \"coop-cloud.${STACK_NAME}.version=1.0.0+1.27.3\"\n+        - \"coop-cloud.${STACK_NAME}.version=" + version + "\"\n```\n"
	}
	facts := func(lines string) string { return "```facts\n" + lines + "\n```\n" }
	later := facts("annotated: 1.0.0+1.27.3, 1.1.0+1.28.0")
	tests := []struct{ name, rule, blocks, want string }{
		{"behind", "R109", later + label("1.0.5+1.27.3"), `the version label says "1.0.5+1.27.3", and "1.1.0+1.28.0" is tagged already; expected a higher version than that`},
		{"an old version checked out", "R109", later, ""},
		{"an old version changed", "R109", later + edited, `the version label says "1.0.0+1.27.3", and "1.1.0+1.28.0" is tagged already; expected a higher version than that`},
		{"ahead", "R109", later + label("1.1.1+1.28.0"), ""},
		{"unchanged", "R110", tagged, ""},
		{"changed", "R110", tagged + edited, `the version label says "1.0.0+1.27.3", but since that was tagged "app.conf.tmpl" changed; expected a higher version`},
		{"much changed", "R110", tagged + edited + bumped, `the version label says "1.0.0+1.27.3", but since that was tagged "abra.sh" and 1 more changed; expected a higher version`},
		{"changed and relabelled", "R110", tagged + edited + label("1.0.1+1.27.3"), ""},
		{"no versions", "R111", facts("annotated: 1.0.0+1, 1.1, v2.4.8\nlightweight: v1.0\nannotated: archive"), `tags "1.1", "v2.4.8" are no versions; expected <recipe>+<app>, such as 1.0.0+1.27.3`},
		{"reused", "R112", facts("annotated: 1.0.0+1.27.3, 1.1.0+2, 1.1.0+3"), `tags "1.1.0+2", "1.1.0+3" share a recipe version; expected each release to raise it, since what follows the "+" does not count`},
		{"reused by the label", "R112", later + label("1.1.0+1.29"), `the version label says "1.1.0+1.29", and "1.1.0+1.28.0", of the same recipe version, is tagged already; expected each release to raise it, since what follows the "+" does not count`},
		{"an older app", "R113", later + label("1.2.0+1.27.3"), `version "1.2.0+1.27.3" takes the app back to "1.27.3" from "1.28.0" of version "1.1.0+1.28.0"; expected a newer app, or notes on going back`},
		{"a newer app", "R113", later + label("1.2.0+1.28.10"), ""},
		{"without notes", "R117", later + label("2.0.0+1.28.0"), `version "2.0.0+1.28.0" is a new major version after "1.1.0+1.28.0", and has no release notes; expected release/2.0.0+1.28.0 to say what operators must do`},
		{"with notes", "R117", later + label("2.0.0+1.28.0") + "```text release/2.0.0+1.28.0\nx\n```\n", ""},
		{"with empty notes to come", "R117", later + label("2.0.0+1.28.0") + "```text release/next\n\n```\n", `version "2.0.0+1.28.0" is a new major version after "1.1.0+1.28.0", and has no release notes; expected release/2.0.0+1.28.0 to say what operators must do`},
		{"the first version", "R117", facts("annotated:") + label("2.0.0+1.28.0"), ""},
		{"notes with an ending", "R118", facts("annotated:") + "```text release/1.1.0+2.md\nx\n```\n```text release/README.md\nx\n```\n", `release notes "README.md" are not named after a version, so no client shows them; expected a name such as 1.0.0+1.27.3`},
		{"notes of no version", "R118", tagged + "```text release/1.0.0+1.27\nx\n```\n", `release notes for version "1.0.0+1.27", which is neither tagged nor the version label's; expected "1.0.0+1.27.3"`},
		{"notes without any tag", "R118", facts("annotated:") + "```text release/0.9.0+1\nx\n```\n", ""},
		{"notes that stayed behind", "R118", tagged + "```text release/next\nx\n```\n```text 1.0.0+1.27.3@release/next\nx\n```\n", `release notes "next" went out with version "1.0.0+1.27.3", and no client shows them; expected them to be renamed to it`},
		{"new notes", "R118", tagged + "```text release/next\ny\n```\n```text 1.0.0+1.27.3@release/next\nx\n```\n", ""},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			var got, want []string
			for _, finding := range pasts(t, test.rule, test.blocks) {
				_, message, _ := strings.Cut(finding, " ")
				got = append(got, message)
			}
			if test.want != "" {
				want = []string{test.want}
			}
			expect(t, got, want...)
		})
	}
}

func TestOlderApps(t *testing.T) {
	for _, test := range []struct {
		app, before string
		want        bool
	}{
		{"1.27.3", "1.28.0", true}, {"v1.27.3", "1.28.0", true}, {"5.9-alpine", "5.10-alpine", true},
		{"1.28.0", "1.28.0", false}, {"1.28.0-alpine", "1.28.0-fpm", false}, {"8", "8.0", false}, {"8.0", "8", false},
		{"1.2", "2024.1", false}, {"2024.1", "1.2", false}, {"2024.1", "2024.2", true},
		{"RELEASE.2024", "RELEASE.2025", false}, {"1.0", "stable", false},
	} {
		if got := olderApp(test.app, test.before); got != test.want {
			t.Errorf("olderApp(%q, %q) = %t", test.app, test.before, got)
		}
	}
}

func TestAPastThatCannotBeReadIsNoFinding(t *testing.T) {
	ids := []string{"R109", "R110", "R111", "R112", "R113", "R114", "R115", "R116", "R117", "R118"}
	down := facts{history: true, unreachable: errors.New("it is down")}
	result := run(t, baseRecipe(t), down.world(), lint.Options{Only: ids})
	expect(t, lines(result.Findings))
	if len(result.Skipped) != len(ids) {
		t.Errorf("skipped %d rules, expected all: %v", len(result.Skipped), result.Skipped)
	}
	treeless := parseFacts(t, "annotated: 1.0.0+1.27.3")
	result = run(t, baseRecipe(t), treeless.world(), lint.Options{Only: ids})
	expect(t, lines(result.Findings))
	for _, skip := range result.Skipped {
		if skip.Reason != `the files of version "1.0.0+1.27.3" cannot be read` {
			t.Errorf("%s skipped with %q", skip.Rule, skip.Reason)
		}
	}
	if len(result.Skipped) != 4 {
		t.Errorf("skipped %v; expected R110, R114, R115 and R116", result.Skipped)
	}
}

func TestCounting(t *testing.T) {
	for version, want := range map[string]string{"v9": "v10", "1": "2", "v1.9": "v1.10", "a": "", "": ""} {
		if got := counted(version); got != want {
			t.Errorf("counted(%q) = %q, expected %q", version, got, want)
		}
	}
	for _, test := range []struct {
		version, than string
		want          bool
	}{{"v2", "v10", true}, {"v10", "v2", false}, {"v2", "v2", false}, {"v2", "10", false}, {"a", "b", false}} {
		if got := lower(test.version, test.than); got != test.want {
			t.Errorf("lower(%q, %q) = %t", test.version, test.than, got)
		}
	}
}
