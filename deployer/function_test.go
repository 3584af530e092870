package deployer

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

const callScript = `#!/bin/bash
export CONF_VERSION=v1
set -- clobbered
greet() {
  echo "$1 $2 of $DOMAIN as $APP_NAME on $STACK_NAME in $SERVICE/$TARGET, $KIND, $MINE, $CONF_VERSION, ${GALLEY_SCRIPT:-none}"
}
count() { wc -l; }
fail() { echo broken >&2; return 7; }
function written_for_bash { echo "$1"; }
nothing_here=1
`

func parseScript(text string) *recipe.Script {
	return recipe.ParseScript(recipe.NewText(recipe.ScriptName, []byte(text)))
}

func TestFunctionsAreReadOnly(t *testing.T) {
	if got := strings.Join(Functions(parseScript(callScript)), " "); got != "count fail greet written_for_bash" {
		t.Errorf("functions %q", got)
	}
	if got := Functions(nil); got == nil || len(got) != 0 {
		t.Errorf("no script has the functions %#v", got)
	}
}

func TestCall(t *testing.T) {
	r := newRig(t, "call")
	r.shellStack()
	app := writeApp(t, r.domain, "TYPE=test\nDOMAIN="+r.domain+"\nMINE=own\nKIND=hidden by the container's\nPATH=/nowhere\n")
	script := parseScript(callScript)
	call := func(service, stdin, function string, args ...string) (string, string, int) {
		t.Helper()
		o, err := r.inside(service, 0).Call(t.Context(), app, script, service, function, args)
		if err != nil {
			t.Fatal(err)
		}
		return r.runs(service, stdin, o, o.Command...)
	}
	want := "a b 'c' $x of call.example.org as call.example.org on call_example_org in app/app, shell, own, v1, none\n"
	if out, errs, code := call("app", "", "greet", "a", "b 'c' $x"); out != want || errs != "" || code != 0 {
		t.Errorf("code %d, %q and %q; want %q", code, out, errs, want)
	}
	if out, _, code := call("app", "1\n2\n3\n", "count"); strings.TrimSpace(out) != "3" || code != 0 {
		t.Errorf("standard input is not the function's: code %d, %q", code, out)
	}
	if _, errs, code := call("app", "", "fail"); errs != "broken\n" || code != 7 {
		t.Errorf("code %d, %q; want the function's 7", code, errs)
	}
	if out, errs, code := call("sealed", "", "greet", "x", "y"); !strings.Contains(out, "in sealed/sealed, hidden by the container's, own") || code != 0 {
		t.Errorf("on a read-only root: code %d, %q and %q", code, out, errs)
	}
	_, err := r.inside("app", 0).Call(t.Context(), app, script, "app", "great", nil)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "greet") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := r.inside("app", 0).Call(t.Context(), app, parseScript(callScript+"#"+strings.Repeat("x", maxScript)), "app", "greet", nil); err == nil {
		t.Error("a script that no kernel takes is taken")
	}
	if out, errs, code := call("app", "", "greet", "x", "y"); code != 0 {
		t.Errorf("%q %q", out, errs)
	}
	t.Log("the largest script that is taken")
	script = parseScript(callScript + "#" + strings.Repeat("x", maxScript-len(callScript)-1))
	if out, errs, code := call("app", "", "greet", "x", "y"); code != 0 || !strings.HasPrefix(out, "x y of") {
		t.Errorf("code %d, %q and %q", code, out, errs)
	}
}
