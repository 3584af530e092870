package engine

import (
	"strings"
	"testing"
)

// TestStartsTheDaemonAskedFor is what keeps a run on two engines from being two runs
// on one.
func TestStartsTheDaemonAskedFor(t *testing.T) {
	require(t, Available())
	before := inventory(t)
	t.Setenv(APIEnv, "1.1")
	if e, err := Start(testContext(t), Options{}); err == nil {
		t.Errorf("an engine of another API was started: %v", e.Close())
	} else if !strings.Contains(err.Error(), APIEnv+" asks for API 1.1") {
		t.Errorf("the error is %v", err)
	}
	sameAs(t, before)
	for path, want := range map[string]string{
		"dockerd":          "expected an absolute path",
		"/nowhere/dockerd": "is no executable file",
		"/etc/passwd":      "is no executable file",
		t.TempDir():        "is no executable file",
	} {
		t.Setenv(DockerdEnv, path)
		if e, err := Start(testContext(t), Options{}); err == nil {
			t.Errorf("%q was started: %v", path, e.Close())
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v", path, err)
		}
	}
	t.Setenv(DockerdEnv, "/nowhere/dockerd")
	if got, err := chosenDockerd("/the/options'"); err != nil || got != "/the/options'" {
		t.Errorf("the options' daemon became %q, %v", got, err)
	}
}
