package lint

import (
	"reflect"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

var kitchen = []Rule{
	{ID: "R004", Name: "unstable-tag", Severity: Warning},
	{ID: "R008", Name: "env-sample", Severity: Error},
	{ID: "D501", Name: "key-order", Off: true},
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name string
		opts Options
		want []string
	}{
		{"all that are on", Options{}, []string{"R004", "R008"}},
		{"one by ID", Options{Only: []string{"R008"}}, []string{"R008"}},
		{"one by name, in any case", Options{Only: []string{"Unstable-Tag", "r004"}}, []string{"R004"}},
		{"one that is off", Options{Only: []string{"D501"}}, []string{"D501"}},
		{"without one", Options{Except: []string{"env-sample"}}, []string{"R004"}},
		{"both", Options{Only: []string{"R004", "R008"}, Except: []string{"R008"}}, []string{"R004"}},
		{"a family", Options{Only: []string{"r00"}}, []string{"R004", "R008"}},
		{"a family that is off", Options{Only: []string{"D"}}, []string{"D501"}},
		{"without a family", Options{Except: []string{"R"}, Enable: []string{"D5"}}, []string{"D501"}},
		{"enabled", Options{Enable: []string{"key-order"}}, []string{"R004", "R008", "D501"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chosen, err := choose(kitchen, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range chosen {
				got = append(got, r.ID)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("chosen = %q, want %q", got, test.want)
			}
		})
	}
}

func TestChosenRulesHaveTheirLevels(t *testing.T) {
	chosen, err := choose(kitchen, Options{Levels: map[string]Severity{"R": Info, "env-sample": Warning, "D501": Error}})
	if err != nil {
		t.Fatal(err)
	}
	if len(chosen) != 2 || chosen[0].Severity != Info || chosen[1].Severity != Warning {
		t.Errorf("chosen = %+v, want R004 at info, R008 at warning, and D501 still off", chosen)
	}
	if kitchen[0].Severity != Warning {
		t.Error("the rule itself was changed")
	}
}

func TestChooseRefuses(t *testing.T) {
	tests := []struct {
		name        string
		opts        Options
		error, hint string
	}{
		{"a slip", Options{Only: []string{"unstabel-tag"}}, `no rule is called "unstabel-tag"; expected an ID like R004 or a rule's name`, "did you mean unstable-tag?"},
		{"a slip in an ID", Options{Except: []string{"R005"}}, `no rule is called "R005"; expected an ID like R004 or a rule's name`, "did you mean R004?"},
		{"nothing like it", Options{Only: []string{"kubernetes"}}, `no rule is called "kubernetes"; expected an ID like R004 or a rule's name`, "galley explain lists the rules"},
		{"a family without rules", Options{Only: []string{"C3"}}, `no rule is called "C3"; expected an ID like R004 or a rule's name`, "galley explain lists the rules"},
		{"a level's name", Options{Levels: map[string]Severity{"R040": Info}}, `no rule is called "R040"; expected an ID like R004 or a rule's name`, "galley explain lists the rules"},
		{"enabling nothing", Options{Enable: []string{"D502"}}, `no rule is called "D502"; expected an ID like R004 or a rule's name`, "did you mean D501?"},
		{"nothing left", Options{Only: []string{"R004"}, Except: []string{"R004"}}, "no rule is left to run", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := choose(kitchen, test.opts)
			if err == nil || err.Error() != test.error {
				t.Fatalf("error = %v, want %s", err, test.error)
			}
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("kind = %v, want usage", fault.KindOf(err))
			}
			if got := fault.HintOf(err); got != test.hint {
				t.Errorf("hint = %q, want %q", got, test.hint)
			}
		})
	}
}

func TestRuleSetIsOfIDsAndSeverities(t *testing.T) {
	set := RuleSet(kitchen)
	turned := []Rule{kitchen[2], kitchen[0], kitchen[1]}
	if got := RuleSet(turned); got != set {
		t.Errorf("the order changed %s to %s", set, got)
	}
	turned[0].Severity = Error
	if RuleSet(turned) == set {
		t.Error("a severity did not change the set")
	}
	if RuleSet(kitchen[:2]) == set {
		t.Error("a rule less did not change the set")
	}
}
