package lint

import (
	"path"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern   string
		yes, nope []string
	}{
		{"compose.yml", []string{"compose.yml", "a/compose.yml", "a/b/compose.yml"}, []string{"compose.yaml", "acompose.yml"}},
		{"*.bak.yml", []string{"x.bak.yml", "a/x.bak.yml"}, []string{"bak.yml"}},
		{"vendor", []string{"vendor", "vendor/a.yml", "a/vendor/b/c.yml"}, []string{"vendors/a.yml"}},
		{"vendor/", []string{"vendor/a.yml", "a/vendor/b.yml"}, []string{"x.yml"}},
		{"/vendor", []string{"vendor/a.yml"}, []string{"a/vendor/b.yml"}},
		{"./a/b", []string{"a/b", "a/b/c"}, []string{"x/a/b"}},
		{"a/*.yml", []string{"a/x.yml"}, []string{"a/b/x.yml", "x.yml"}},
		{"a/**", []string{"a/x.yml", "a/b/c.yml"}, []string{"a", "b/a/x"}},
		{"**/test/**", []string{"test/x", "a/test/b/x"}, []string{"test", "tests/x"}},
		{"a/**/z.yml", []string{"a/z.yml", "a/b/z.yml", "a/b/c/z.yml"}, []string{"z.yml", "a/z.yaml"}},
		{"**", []string{"a", "a/b"}, nil},
		{"[a-c]?.yml", []string{"b1.yml", "x/c2.yml"}, []string{"d1.yml", "b.yml"}},
	}
	for _, test := range tests {
		p, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		for _, name := range test.yes {
			if !p.matches(name) {
				t.Errorf("%q does not match %q", test.pattern, name)
			}
		}
		for _, name := range test.nope {
			if p.matches(name) {
				t.Errorf("%q matches %q", test.pattern, name)
			}
		}
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	for _, text := range []string{"a//b", "../a", "a/../b", "[", "a/[b", strings.Repeat("a/", maxSteps+1) + "b", "/", "./"} {
		if p, err := parsePattern(text); err == nil {
			t.Errorf("%q gives %q", text, p.steps)
		}
	}
}

// TestManyStarsEnd would not end if each star tried every place of each other one.
func TestManyStarsEnd(t *testing.T) {
	p, err := parsePattern(strings.Repeat("**/a/", maxSteps/2-1) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if p.matches(strings.Repeat("a/", 5000) + "c") {
		t.Error("it matches")
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("a/**/b*", "a/x/bc/d")
	f.Add("**", "")
	f.Add("[^a]?", "é/x")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		got := p.matches(name)
		if len(name) < 100 && len(p.steps) < 8 && got != slowly(p.steps, strings.Split(name, "/")) {
			t.Errorf("%q matches %q: %v", text, name, got)
		}
	})
}

// slowly matches as the words of pattern's comment say, by trying everything.
func slowly(steps, names []string) bool {
	if len(steps) == 0 {
		return true
	}
	if steps[0] == "**" {
		for n := 0; n <= len(names); n++ {
			if slowly(steps[1:], names[n:]) {
				return true
			}
		}
		return false
	}
	if len(names) == 0 {
		return false
	}
	ok, err := path.Match(steps[0], names[0])
	return ok && err == nil && slowly(steps[1:], names[1:])
}
