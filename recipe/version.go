package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a recipe's version, "<recipe>+<app>": the recipe's own semantic
// version and the image tag of its service app, which is free text. The text
// behind the plus is no semver build metadata, whatever it looks like.
type Version struct {
	Recipe semver.Version
	App    string
}

const versionForm = "<recipe>+<app> such as 1.2.0+5.1.0"

// ParseVersion reads a version, which is also a git tag's name. The recipe's
// part is strict semver: three numbers, no "v", perhaps a prerelease. The app's
// part is what an image tag may hold.
func ParseVersion(s string) (Version, error) {
	left, app, found := strings.Cut(s, "+")
	if !found {
		return Version{}, fmt.Errorf("version %q has no app version; expected %s", s, versionForm)
	}
	number, err := semver.StrictNewVersion(left)
	if err != nil {
		return Version{}, fmt.Errorf("version %q: %q is no semantic version x.y.z; expected %s", s, left, versionForm)
	}
	if app == "" || !onlyTagCharacters(app) {
		return Version{}, fmt.Errorf("version %q: app version %q; expected letters, digits, \".\", \"_\" and \"-\", as in %s", s, app, versionForm)
	}
	return Version{Recipe: *number, App: app}, nil
}

const tagCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

func onlyTagCharacters(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(tagCharacters, r) }) < 0
}

// String gives back what ParseVersion read.
func (v Version) String() string { return v.Recipe.String() + "+" + v.App }

// Compare orders versions by the recipe's, then by the app's in natural order.
// It is 0 only for equal versions.
func (v Version) Compare(w Version) int {
	return cmp.Or(v.Recipe.Compare(&w.Recipe), compareNatural(v.App, w.App))
}

// SortVersions sorts in place, the oldest first.
func SortVersions(versions []Version) { slices.SortStableFunc(versions, Version.Compare) }

// compareNatural orders texts with numbers in them by the numbers, so that 5.10
// stands behind 5.9; a "v" before the first number does not count. Texts that
// agree so far, such as 1.0 and 1.00, are ordered as strings.
func compareNatural(a, b string) int {
	x, y := withoutV(a), withoutV(b)
	for x != "" && y != "" {
		n, m := chunk(x), chunk(y)
		if c := compareChunks(x[:n], y[:m]); c != 0 {
			return c
		}
		x, y = x[n:], y[m:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

func withoutV(s string) string {
	if len(s) > 1 && s[0] == 'v' && isDigit(s[1]) {
		return s[1:]
	}
	return s
}

// chunk is the length of the digits, or of the other text, that s starts with.
func chunk(s string) int {
	n := 1
	for n < len(s) && isDigit(s[n]) == isDigit(s[0]) {
		n++
	}
	return n
}

func compareChunks(a, b string) int {
	if !isDigit(a[0]) || !isDigit(b[0]) {
		return strings.Compare(a, b)
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
