package recipe

import (
	"slices"
	"strings"
	"testing"
)

// The tags are of kinds that real compose files have.
func TestClassifyTag(t *testing.T) {
	for tag, want := range map[string]TagClass{
		// versions, with flavours
		"5": {SemverLike: true}, "2.6": {SemverLike: true}, "4.3.5": {SemverLike: true}, "v1.0.2": {SemverLike: true},
		"6-alpine": {SemverLike: true}, "v6.2.1-alpine-foo": {SemverLike: true}, "8.0-fpm-alpine3.13": {SemverLike: true},
		"1.0.6-social-amd64": {SemverLike: true}, "3.7.5-python3.12": {SemverLike: true}, "0.1.0-rc.1": {SemverLike: true},
		"v1.9.0-beta": {SemverLike: true}, "19.1.2-ce.0": {SemverLike: true}, "1.8.0-2-g585ea34": {SemverLike: true},
		"2.4-dev.5": {SemverLike: true}, "7.0-lts": {SemverLike: true},
		// moving
		"latest": {Unstable: true, Reason: "moves"}, "edge": {Unstable: true, Reason: "moves"},
		"Stable": {Unstable: true, Reason: "moves"}, "release": {Unstable: true, Reason: "moves"},
		"latest-alpine":     {Unstable: true, Reason: `says "latest", which moves`},
		"stable-alpine3.20": {Unstable: true, Reason: `says "stable", which moves`},
		"main-latest":       {Unstable: true, Reason: `says "main", which moves`},
		"alpine-7.4-latest": {Unstable: true, Reason: `says "latest", which moves`},
		"12.0-latest":       {SemverLike: true, Unstable: true, Reason: `says "latest", which moves`},
		"13-master":         {SemverLike: true, Unstable: true, Reason: `says "master", which moves`},
		"1.2.3-dev":         {SemverLike: true, Unstable: true, Reason: `says "dev", which moves`},
		"latest-3":          {Unstable: true, Reason: `says "latest", which moves`},
		// of one build, though they name a channel
		"stable-v0.35.5":              {Reason: "does not start with a version of one to three numbers"},
		"nightly-20240131":            {Reason: "does not start with a version of one to three numbers"},
		"main-1234":                   {Reason: "does not start with a version of one to three numbers"},
		"main-2026.06.03-sha-0bca601": {Reason: "does not start with a version of one to three numbers"},
		"edge-4f5d2c1":                {Reason: "does not start with a version of one to three numbers"},
		// neither
		"":             {Reason: "is empty"},
		"${TAG}":       {Reason: "holds a variable"},
		"1.0-${TAG}":   {Reason: "holds a variable"},
		"5cdea511":     {Reason: "looks like a commit"},
		"20240131":     {Reason: "looks like a commit"},
		"4.3.1.1":      {Reason: "has a version of more than three numbers"},
		"4.3.0.8-full": {Reason: "has a version of more than three numbers"},
		"alpine":       {Reason: "has no version"}, "fpm-jammy": {Reason: "has no version"}, "mainframe": {Reason: "has no version"},
		"r1295":                        {Reason: "does not start with a version of one to three numbers"},
		"pg16":                         {Reason: "does not start with a version of one to three numbers"},
		"RELEASE.2025-04-22T22-12-26Z": {Reason: "does not start with a version of one to three numbers"},
		"17-3.5-alpine":                {Reason: "holds several versions"},
		"1.25.2-tctl-1.18.1-cli-1.1.1": {Reason: "holds several versions"},
		"14-vectorchord0.4.3":          {Reason: "holds several versions"},
	} {
		if got := ClassifyTag(tag); got != want {
			t.Errorf("%q: got %+v, want %+v", tag, got, want)
		}
	}
}

func TestUnstableTagNames(t *testing.T) {
	names := UnstableTagNames()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or twice the same: %q", names)
	}
	for _, name := range names {
		if !ClassifyTag(name).Unstable {
			t.Errorf("%q is listed and not unstable", name)
		}
	}
}

func FuzzClassifyTag(f *testing.F) {
	f.Add("v1.2.3-latest_4")
	f.Fuzz(func(t *testing.T, tag string) {
		c := ClassifyTag(tag)
		if (c.Reason == "") != (c.SemverLike && !c.Unstable) {
			t.Fatalf("%q: %+v", tag, c)
		}
		if c.SemverLike && !strings.ContainsAny(tag, "0123456789") {
			t.Fatalf("%q has no number and is semver-like", tag)
		}
	})
}
