package deployer

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestRollbackTo(t *testing.T) {
	good := func(op Operation, to, entry string) Record {
		return Record{Operation: op, Recipe: "web", To: to, Entry: entry, Verdict: Converged, State: StateNew, By: "mo@home"}
	}
	bad := good(OpUpgrade, "1.5.0+1", "bad")
	bad.Verdict, bad.State = Failed, StatePrevious
	half := good(OpDeploy, "1.4.0+1", "half")
	half.State = StateMixed
	other := good(OpDeploy, "0.5.0+1", "other")
	other.Recipe = "blog"
	history := []Record{
		good("", "1.0.0+1", "one"), good(OpUpgrade, "1.1.0+1", "two"), good(OpRestart, "1.1.0+1", "two"), bad, half,
		good(OpUpgrade, "1.2.0+1", "three"), good(OpUndeploy, "", ""), other, good(OpDeploy, "1.3.0+1", "four"), good(OpDeploy, "1.1.0+1+U", ""),
	}
	for _, c := range []struct{ running, asked, want string }{
		{"1.3.0+1", "", "three (1.1.0+1+U was deployed from a work tree by mo@home, and is passed over)"},
		{"1.2.0+1", "", "two (1.1.0+1+U was deployed from a work tree by mo@home, and is passed over)"},
		{"1.1.0+1", "", "one (1.1.0+1+U was deployed from a work tree by mo@home, and is passed over)"},
		{"1.1.0+1+U", "", "two"},
		{"1.0.0+1", "", "the stack's history has no version before 1.0.0+1 that ran well"},
		{"1.3.0+1", "1.0.0+1", "one"},
		{"1.3.0+1", "1.1.0+1", "two"},
		{"1.3.0+1", "1.5.0+1", "version 1.5.0+1 is newer than 1.3.0+1, which runs"},
		{"1.6.0+1", "1.5.0+1", "not recorded"},
		{"1.6.0+1", "1.4.0+1", "not recorded"},
		{"1.3.0+1", "0.5.0+1", "not recorded"},
		{"1.3.0+1", "1.3.0+1", "version 1.3.0+1 runs already"},
		{"1.3.0+1", "1.1.0+1+U", "version 1.1.0+1+U was deployed from a work tree by mo@home, and cannot be had again"},
	} {
		to, ok, notes, err := RollbackTo(history, "web", c.running, c.asked)
		got := to.Entry
		switch {
		case err != nil:
			got = err.Error()
			if fault.HintOf(err) == "" {
				t.Errorf("from %s to %q: no hint", c.running, c.asked)
			}
		case !ok:
			got = "not recorded"
		case len(notes) > 0:
			got += " (" + strings.Join(notes, "; ") + ")"
		}
		if got != c.want {
			t.Errorf("from %s to %q: %s, want %s", c.running, c.asked, got, c.want)
		}
	}
}

func TestAutoUpdate(t *testing.T) {
	for line, want := range map[string]bool{
		"ENABLE_AUTO_UPDATE=true": true, "ENABLE_AUTO_UPDATE=True": true, "ENABLE_AUTO_UPDATE=1": true, "ENABLE_AUTO_UPDATE=\"yes\"": true,
		"ENABLE_AUTO_UPDATE=false": false, "ENABLE_AUTO_UPDATE=": false, "#ENABLE_AUTO_UPDATE=true": false, "": false,
		"X=1\nENABLE_AUTO_UPDATE=$X": true, "ENABLE_AUTO_UPDATE=true\nENABLE_AUTO_UPDATE=no": false,
	} {
		if got := writeApp(t, "auto.example.org", "TYPE=web\n"+line+"\n").AutoUpdate(); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
