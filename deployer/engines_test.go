package deployer

import (
	"os"
	"testing"

	"github.com/galley-coop/galley/internal/engine"
)

// TestSpeaksTheEnginesAPI is what a run on two engines rests on: galley speaks to
// each in the newest words that it knows.
func TestSpeaksTheEnginesAPI(t *testing.T) {
	l := useLab(t)
	e := l.connect(t)
	current, err := e.Current(t.Context(), "nobody", nil)
	if err != nil {
		t.Fatal(err)
	}
	version, api := l.node.Version()
	t.Logf("engine %s, API %s", version, api)
	if want := os.Getenv(engine.APIEnv); want != "" && api != want {
		t.Errorf("the engine's API is %s, %s asks for %s", api, engine.APIEnv, want)
	}
	if current.API != api {
		t.Errorf("a stack was read with API %s, the engine has %s", current.API, api)
	}
}
