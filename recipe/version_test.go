package recipe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for _, s := range []string{
		"2.0.1+1.0.6-social-amd64", "1.2.3+4.5.6", "18.0.0+v2.4.8", "11.0.0+8.0-fpm-alpine3.13",
		"1.0.0-rc1+2.0", "0.1.0-alpha.2+x", "1.0.0+latest", "1.0.0+RELEASE.2025-04-22T22-12-26Z", "0.0.0+_",
	} {
		v, err := ParseVersion(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if v.String() != s {
			t.Errorf("%s is written back as %s", s, v)
		}
	}
}

func TestParseVersionRefuses(t *testing.T) {
	const form = "<recipe>+<app> such as 1.2.0+5.1.0"
	for s, want := range map[string]string{
		"v1.0.3":       `version "v1.0.3" has no app version; expected ` + form,
		"2.4.8":        `version "2.4.8" has no app version; expected ` + form,
		"":             `version "" has no app version; expected ` + form,
		"v1.0.0+2":     `version "v1.0.0+2": "v1.0.0" is no semantic version x.y.z; expected ` + form,
		"1.0+2":        `version "1.0+2": "1.0" is no semantic version x.y.z; expected ` + form,
		"01.0.0+2":     `version "01.0.0+2": "01.0.0" is no semantic version x.y.z; expected ` + form,
		" 1.0.0+2":     `version " 1.0.0+2": " 1.0.0" is no semantic version x.y.z; expected ` + form,
		"+2":           `version "+2": "" is no semantic version x.y.z; expected ` + form,
		"1.0.0+":       `version "1.0.0+": app version ""; expected letters, digits, ".", "_" and "-", as in ` + form,
		"1.0.0+2+3":    `version "1.0.0+2+3": app version "2+3"; expected letters, digits, ".", "_" and "-", as in ` + form,
		"1.0.0+a/b":    `version "1.0.0+a/b": app version "a/b"; expected letters, digits, ".", "_" and "-", as in ` + form,
		"1.0.0+2\n":    `version "1.0.0+2\n": app version "2\n"; expected letters, digits, ".", "_" and "-", as in ` + form,
		"1.0.0+é":      `version "1.0.0+é": app version "é"; expected letters, digits, ".", "_" and "-", as in ` + form,
		"1.0.0+${TAG}": `version "1.0.0+${TAG}": app version "${TAG}"; expected letters, digits, ".", "_" and "-", as in ` + form,
	} {
		if _, err := ParseVersion(s); err == nil || err.Error() != want {
			t.Errorf("%q\n got %v\nwant %s", s, err, want)
		}
	}
}

func mustVersion(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSortVersions(t *testing.T) {
	want := []string{
		"0.9.0+9.9", "1.0.0-rc.1+5.1", "1.0.0-rc.2+5.0", "1.0.0+5.9.0", "1.0.0+v5.9.1", "1.0.0+5.10.0", "1.0.0+5.10.0-alpine",
		"1.0.0+5.010.1", "1.0.0+99999999999999999999999", "1.0.0+100000000000000000000000", "1.0.0+alpine", "1.0.0+alpine3.9", "1.0.0+alpine3.13",
		"2.0.0+1.0", "2.0.0+1.00", "10.0.0+1.0",
	}
	var versions []Version
	for _, s := range want {
		versions = append(versions, mustVersion(t, s))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(versions), func(i, j int) { versions[i], versions[j] = versions[j], versions[i] })
	SortVersions(versions)
	var got []string
	for _, v := range versions {
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2.0.1+1.0.6-social-amd64", "1.0.0-rc.1+v1", "1.0.0-rc.1+01")
	f.Add("1.0.0+a1b", "1.0.0+a01b", "1.0.0+a1-b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var versions []Version
		for _, s := range []string{a, b, c} {
			v, err := ParseVersion(s)
			if err != nil {
				if !strings.Contains(err.Error(), "expected") {
					t.Fatalf("the error does not say what was expected: %v", err)
				}
				return
			}
			if v.String() != s {
				t.Fatalf("%q is written back as %q", s, v)
			}
			versions = append(versions, v)
		}
		x, y, z := versions[0], versions[1], versions[2]
		if x.Compare(y) != -y.Compare(x) || (x.Compare(y) == 0) != (a == b) {
			t.Fatalf("%s against %s: %d and %d", x, y, x.Compare(y), y.Compare(x))
		}
		if x.Compare(y) < 0 && y.Compare(z) < 0 && x.Compare(z) >= 0 {
			t.Fatalf("%s < %s < %s and not %s < %s", x, y, z, x, z)
		}
	})
}
