package lint

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWhatIsSaidOfIgnores(t *testing.T) {
	tests := []struct{ name, comment, want string }{
		{"no reason", "galley:ignore R004", `L001 1:10 "galley:ignore R004" gives no reason; expected one behind the rule`},
		{"no reason in words", "galley:ignore R004: -- !", `L001 1:10 "galley:ignore R004" gives no reason; expected one behind the rule`},
		{"unused", "galley:ignore R004,S203 why", `L002 1:29 S203 hides nothing: the rule finds nothing in line 1`},
		{"a slip", "galley:ignore R004,S204 why", `L003 1:29 no rule is called "S204"; did you mean "S203"?`},
		{"nothing like it", "galley:ignore R004,kubernetes why", `L003 1:29 no rule is called "kubernetes"; expected an ID like R004 or a rule's name`},
		{"a family", "galley:ignore R004,S2 why", `L003 1:29 "S2" is a family of rules; expected a rule's own ID: a comment hides what it names`},
		{"a rule about comments", "galley:ignore R004,L002 why", `L003 1:29 "L002" is about comments that hide findings, and no comment hides it; expected .galley.yml to turn it off`},
		{"no rule", "galley:ignore", `L003 1:10 "galley:ignore" names no rule; expected one, such as galley:ignore R004, and a reason`},
		{"another word", "galley:ignore-line R004 why", `L003 1:10 "galley:ignore-line R004" is no comment that galley knows; expected galley:ignore or galley:ignore-file`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"compose.yml": "a: bad # " + test.comment + "\n"}
			result, err := Run(context.Background(), []Target{target(t, files)}, append(IgnoreRules(), marks, worse), Options{Ignores: true})
			if err != nil {
				t.Fatal(err)
			}
			var about []string
			for _, f := range result.Findings {
				if aboutIgnores(f.Rule) {
					about = append(about, fmt.Sprintf("%s %d:%d %s", f.Rule, f.Start.Line, f.Start.Column, f.Message))
				}
				if f.Fingerprint == "" || f.Source == "" || f.File != "x/compose.yml" {
					t.Errorf("%+v was not settled", f)
				}
			}
			if got := strings.Join(about, "\n"); got != test.want {
				t.Errorf("said\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestUnusedIsOnlySaidOfRulesThatLooked(t *testing.T) {
	files := map[string]string{"compose.yml": "a: 1 # galley:ignore R006,R008,D501,R004 why\n"}
	off := Rule{ID: "D501", Name: "key-order", Off: true, Check: func(*Pass) {}}
	loose := target(t, files)
	loose.Loose = true
	result, err := Run(context.Background(), []Target{loose}, append(IgnoreRules(), published, sample, off, marks), Options{Ignores: true})
	if err != nil {
		t.Fatal(err)
	}
	if f := only(t, result.Findings); f.Rule != unusedIgnore || !strings.HasPrefix(f.Message, "R004") {
		t.Errorf("finding = %+v, want R004 alone: R006 skipped, R008 is for recipes, D501 is off", f)
	}
}

func TestACommentThatOneTargetUsesIsUsed(t *testing.T) {
	files := map[string]string{"compose.yml": "a: 1 # galley:ignore R008 why\n"}
	missing := Rule{ID: "R008", Name: "env-sample", RecipeOnly: true, Check: func(p *Pass) { p.Reportf(span("compose.yml", 1, 1, 1, 2), "no sample") }}
	quiet := Rule{ID: "R008", Name: "env-sample", Check: func(*Pass) {}}
	whole, loose := target(t, files), target(t, files)
	loose.Loose = true
	for _, rule := range []Rule{missing, quiet} {
		result, err := Run(context.Background(), []Target{whole, loose}, append(IgnoreRules(), rule), Options{Ignores: true})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if !rule.RecipeOnly {
			want = 1
		}
		if len(result.Findings) != want {
			t.Errorf("findings = %v, want %d", result.Findings, want)
		}
	}
}

func TestRulesAboutIgnoresCanBeTurnedOffAndRaised(t *testing.T) {
	files := map[string]string{"compose.yml": "a: bad # galley:ignore R004\n"}
	if left, _ := hushed(t, files, Options{Except: []string{"ignore-reason"}}); len(left) != 0 {
		t.Errorf("left = %q, want nothing", left)
	}
	if left, hidden := hushed(t, files, Options{Only: []string{"R004"}}); len(left) != 0 || len(hidden) != 1 {
		t.Errorf("left = %q, hidden = %q, want the comment to count, and nothing said of it", left, hidden)
	}
}

func TestSuppressedInJSON(t *testing.T) {
	files := map[string]string{"compose.yml": "a: bad # galley:ignore R004 <we> know\n"}
	result, err := Run(context.Background(), []Target{target(t, files)}, []Rule{marks}, Options{Ignores: true})
	if err != nil {
		t.Fatal(err)
	}
	short, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(short), "reason") || !strings.Contains(string(short), `"suppressed":1`) {
		t.Errorf("JSON = %s, want the number alone", short)
	}
	result.ListSuppressed = true
	long, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(long, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Suppressed) != 1 || back.Suppressed[0].Reason != "<we> know" || back.Suppressed[0].Rule != "R004" || back.Suppressed[0].Related == nil {
		t.Errorf("suppressed = %+v, want R004 with its reason", back.Suppressed)
	}
}

func TestManyIgnoresAreBounded(t *testing.T) {
	text := strings.Repeat("a: bad # galley:ignore R004 why\n", maxIgnores+2)
	left, hidden := hushed(t, map[string]string{"compose.yml": text}, Options{})
	want := fmt.Sprintf("compose.yml:%d R004|compose.yml:%[1]d L003|compose.yml:%d R004", maxIgnores+1, maxIgnores+2)
	if got := strings.Join(left, "|"); len(hidden) != maxIgnores || got != want {
		t.Errorf("hidden %d, left %q, want %d and %q", len(hidden), got, maxIgnores, want)
	}
}
