package main

import (
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

func TestPrintable(t *testing.T) {
	for given, want := range map[string]string{
		"plain\ttabs é 漢":                          "plain\ttabs é 漢",
		"\x1b[1;31mred\x1b[0m":                     "red",
		"\x1b[2J\x1b[Hgone":                        "gone",
		"\x1b]0;title\x07and \x1b]0;t\x1b\\rest":   "and rest",
		"\x1b]52;c;aGk=\x07clipboard":              "clipboard",
		"unfinished \x1b[31":                       "unfinished \ufffd[31",
		"bell\x07 back\b over\rwritten \u009b31m":  "bell\ufffd back\ufffd over\ufffdwritten \ufffd31m",
		"\x1b\x1b[31m[31mnested \x1b[\x1b[0m1mtwo": "\ufffd[31mnested \ufffd[1mtwo",
	} {
		if got := printable(given); got != want {
			t.Errorf("printable(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestSince(t *testing.T) {
	var o deployer.LogOptions
	if err := since("90m", &o); err != nil || o.Ago != 90*time.Minute {
		t.Errorf("%v, error %v", o.Ago, err)
	}
	if err := since("2026-01-02T03:04:05Z", &o); err != nil || !o.Since.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%v, error %v", o.Since, err)
	}
	for _, text := range []string{"yesterday", "-10m", "0s", "2026-13-01"} {
		if err := since(text, &o); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
}
