package deployer

import "testing"

func TestWhySaysTheVerdictOnce(t *testing.T) {
	for _, c := range []struct {
		verdict      Verdict
		reason, want string
	}{
		{Stopped, "interrupted by the user", "interrupted by the user"},
		{Failed, "service app: its task failed 3 times", "failed: service app: its task failed 3 times"},
		{TimedOut, "", "timed out"},
	} {
		if got := newOutcome(c.verdict, StatePrevious, c.reason).Why(); got != c.want {
			t.Errorf("%s, %q: got %q, want %q", c.verdict, c.reason, got, c.want)
		}
	}
}
