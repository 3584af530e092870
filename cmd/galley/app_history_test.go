package main

import (
	"testing"

	"github.com/galley-coop/galley/deployer"
)

func TestHistoryShowsWhatChangedAlone(t *testing.T) {
	for plan, want := range map[string]string{
		"5 to create, 0 to change, 0 to remove, 1 unchanged":                        "5 to create",
		"0 to create, 2 to change (2 services restart), 1 to remove, 10 unchanged":  "2 to change (2 services restart), 1 to remove",
		"0 to create, 1 to change (0 services restart), 0 to remove, 100 unchanged": "1 to change", // as older galleys wrote it
		"10 to create, 0 to change, 20 to remove, 0 unchanged":                      "10 to create, 20 to remove",
		"nothing to change": "nothing to change",
		"":                  "-",
	} {
		if got := changesOf(deployer.Record{Plan: plan}); got != want {
			t.Errorf("of %q the history shows %q, want %q", plan, got, want)
		}
	}
}
