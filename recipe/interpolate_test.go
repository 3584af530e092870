package recipe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/template"
)

var expandEnv = map[string]string{"A": "one", "EMPTY": "", "B_2": "two"}

func TestExpandAgreesWithComposeGo(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"}, {"$A", "one"}, {"${A}", "one"}, {"$A-$B_2", "one-two"}, {"$$A", "$A"}, {"$$${A}", "$one"},
		{"${NO}", ""}, {"$NO", ""}, {"${NO:-x}", "x"}, {"${NO-x}", "x"}, {"${EMPTY:-x}", "x"}, {"${EMPTY-x}", ""},
		{"${A:-x}", "one"}, {"${NO:-}", ""}, {"${NO:-${A}}", "one"}, {"${NO:-a${NO:-b}c}", "abc"}, {"${NO:-$A}", "one"},
		{"${A:+alt}", "alt"}, {"${NO:+alt}", ""}, {"${EMPTY+alt}", "alt"}, {"${EMPTY:+alt}", ""},
		{"${A:?needed}", "one"}, {"Host(`${A}`)", "Host(`one`)"}, {"a$", "a$"}, {"${NO:-a:b-c}", "a:b-c"}, {"x${A}y${B_2}z", "xoneytwoz"},
	}
	for _, test := range tests {
		got, err := Expand(test.in, MapLookup(expandEnv))
		if err != nil || got != test.want {
			t.Errorf("Expand(%q) = %q, %v, want %q", test.in, got, err, test.want)
		}
		theirs, err := template.SubstituteWithOptions(test.in, template.Mapping(MapLookup(expandEnv)), template.WithoutLogging)
		if err != nil || got != theirs {
			t.Errorf("compose-go gives %q, %v for %q, galley %q", theirs, err, test.in, got)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"${A":         `"${A" has no closing brace`,
		"${}":         `"${}" is no variable; expected ${NAME} or ${NAME:-default}`,
		"${1A}":       `"${1A}" is no variable; expected ${NAME} or ${NAME:-default}`,
		"${A b}":      `"${A b}" is no variable; expected ${NAME} or ${NAME:-default}`,
		"${NO:?why}":  `required variable "NO" has no value`,
		"${EMPTY:?w}": `required variable "EMPTY" has no value`,
		strings.Repeat("${NO:-", 40) + strings.Repeat("}", 40): "defaults are nested deeper than 16",
	} {
		if got, err := Expand(in, MapLookup(expandEnv)); err == nil || err.Error() != want {
			t.Errorf("Expand(%q) = %q, %v, want %s", in, got, err, want)
		}
	}
}

func TestVariables(t *testing.T) {
	s := "img:${TAG:-${MAJOR:-1}.2} $X $$Y ${bad b}"
	var got []string
	for _, v := range Variables(s) {
		got = append(got, fmt.Sprintf("%s %q in %q arg %q", v.Name, v.Operator, s[v.Start:v.End], s[v.ArgStart:v.ArgStart+len(v.Argument)]))
	}
	want := []string{
		`TAG ":-" in "${TAG:-${MAJOR:-1}.2}" arg "${MAJOR:-1}.2"`,
		`MAJOR ":-" in "${MAJOR:-1}" arg "1"`,
		`X "" in "$X" arg ""`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("${A:-${B-x}} $$ $C ${D:?e}")
	f.Add("${A:-}}${{")
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range Variables(s) {
			if v.Start < 0 || v.End > len(s) || v.Start >= v.End || !strings.HasPrefix(s[v.ArgStart:], v.Argument) {
				t.Fatalf("%q: %+v", s, v)
			}
		}
		full, err := Expand(s, MapLookup(nil))
		if err == nil && !strings.Contains(s, "$") && full != s {
			t.Fatalf("%q became %q", s, full)
		}
	})
}

func BenchmarkHostileNesting(b *testing.B) {
	s := strings.Repeat("${A:-", 1<<17)
	for b.Loop() {
		Variables(s)
	}
}

// FuzzExpandAgreesWithComposeGo compares what both read: where one refuses a
// text the other may not.
func FuzzExpandAgreesWithComposeGo(f *testing.F) {
	for _, s := range []string{"${A:-x}", "$A$$B", "${NO:-${A}}", "a${EMPTY+b}c", "${B_2-}", "x$", "${A:+${B_2}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := Expand(s, MapLookup(expandEnv))
		theirs, theirErr := template.SubstituteWithOptions(s, template.Mapping(MapLookup(expandEnv)), template.WithoutLogging)
		if err == nil && theirErr == nil && ours != theirs {
			t.Errorf("%q: galley %q, compose-go %q", s, ours, theirs)
		}
	})
}
