package recipe

import "strings"

// IsPatch tells whether w is a patch of v, which may be taken unseen: the recipe's
// major and minor numbers are the same, its patch number is higher, and neither is
// a prerelease. The app's part may be another one as long as its first number is
// the same, however it is written around it ("5.1.0-alpine", "v5.2"); one without a
// number must be the same.
func (v Version) IsPatch(w Version) bool {
	if v.Recipe.Major() != w.Recipe.Major() || v.Recipe.Minor() != w.Recipe.Minor() || w.Recipe.Patch() <= v.Recipe.Patch() {
		return false
	}
	if v.Recipe.Prerelease() != "" || w.Recipe.Prerelease() != "" {
		return false
	}
	a, b := firstNumber(v.App), firstNumber(w.App)
	return a == b && (a != "" || v.App == w.App)
}

// firstNumber is the first digits of s, without zeros before them.
func firstNumber(s string) string {
	at := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
	if at < 0 {
		return ""
	}
	s = s[at:]
	number := s[:chunk(s)]
	if trimmed := strings.TrimLeft(number, "0"); trimmed != "" {
		return trimmed
	}
	return "0"
}
