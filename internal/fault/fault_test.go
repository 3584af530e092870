package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestOutermostKindAndHintWin(t *testing.T) {
	inner := Hint(New(Unavailable, "no answer from %q", "registry"), "wait")
	outer := Hint(Wrap(Refused, fmt.Errorf("resolving digests: %w", inner)), "ask the publisher")
	if got := KindOf(outer); got != Refused {
		t.Errorf("kind = %v, want Refused", got)
	}
	if got := HintOf(outer); got != "ask the publisher" {
		t.Errorf("hint = %q", got)
	}
	if got := outer.Error(); got != `resolving digests: no answer from "registry"` {
		t.Errorf("text = %q", got)
	}
}

func TestExitCodes(t *testing.T) {
	want := map[Kind]int{Unavailable: 3, Usage: 2, Refused: 4, No: 1, PutBack: 5, Left: 6, Interrupted: 130}
	for kind, code := range want {
		if got := KindOf(New(kind, "x")).ExitCode(); got != code {
			t.Errorf("exit code of kind %d = %d, want %d", kind, got, code)
		}
	}
	if got := KindOf(errors.New("plain")).ExitCode(); got != 3 {
		t.Errorf("exit code of a plain error = %d, want 3", got)
	}
	if Wrap(Refused, nil) != nil || Hint(nil, "x") != nil {
		t.Error("nil did not stay nil")
	}
}
