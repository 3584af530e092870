package lint

import (
	"regexp"
	"strings"
	"testing"

	"github.com/galley-coop/galley/recipe"
)

const two = `services:
  app:
    image: nginx:latest
    environment:
    - A=1
  db:
    image: nginx:latest
`

// prints are the fingerprints of unstable's findings in a compose file.
func prints(t *testing.T, compose string) []string {
	t.Helper()
	var found []string
	for _, f := range lintOne(t, map[string]string{"compose.yml": compose}, unstable) {
		found = append(found, f.Fingerprint)
	}
	return found
}

func TestFingerprintForm(t *testing.T) {
	found := prints(t, two)
	if len(found) != 2 || found[0] == found[1] {
		t.Fatalf("fingerprints = %q, want two that differ", found)
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(found[0]) {
		t.Errorf("fingerprint = %q, want 16 hex digits", found[0])
	}
}

func TestFingerprintSurvives(t *testing.T) {
	before := prints(t, two)
	changes := map[string]string{
		"lines above":              "# a\n\nversion: '3.8'\n" + two,
		"a service above":          strings.Replace(two, "  app:", "  new:\n    image: new:1\n  app:", 1),
		"keys within the service":  strings.ReplaceAll(two, "    image", "    hostname: x\n    image"),
		"a comment at the service": strings.Replace(two, "  app:", "  app: # the app", 1),
		"line ends":                strings.ReplaceAll(two, "\n", "\r\n"),
		"deeper indentation":       strings.ReplaceAll(two, "  ", "    "),
	}
	for name, changed := range changes {
		t.Run(name, func(t *testing.T) {
			if after := prints(t, changed); strings.Join(after, " ") != strings.Join(before, " ") {
				t.Errorf("fingerprints = %q, were %q", after, before)
			}
		})
	}
}

func TestFingerprintOfTheOtherFindingStays(t *testing.T) {
	before := prints(t, two)
	after := prints(t, strings.Replace(two, "nginx:latest", "nginx:1", 1))
	if len(after) != 1 || after[0] != before[1] {
		t.Errorf("fingerprints = %q, want the second of %q", after, before)
	}
}

func TestFingerprintChangesWith(t *testing.T) {
	before := prints(t, stack)[0]
	if after := prints(t, strings.Replace(stack, "nginx", "apache", 1))[0]; after == before {
		t.Error("another image has the same fingerprint")
	}
	if after := prints(t, strings.Replace(stack, "app:", "web:", 1))[0]; after == before {
		t.Error("another service has the same fingerprint")
	}
	overlay := lintOne(t, map[string]string{"compose.yml": "services: {}\n", "compose.a.yml": stack}, unstable)
	if only(t, overlay).Fingerprint == before {
		t.Error("another file has the same fingerprint")
	}
	other := unstable
	other.ID = "R003"
	if f := only(t, lintOne(t, map[string]string{"compose.yml": stack}, other)); f.Fingerprint == before {
		t.Error("another rule has the same fingerprint")
	}
}

func TestEqualFindingsAreNumbered(t *testing.T) {
	lines := "same\nsame\nsame\n"
	rule := Rule{ID: "R001", Name: "same", Check: func(p *Pass) {
		text := recipe.NewText("a.conf", []byte(lines))
		for n := text.Lines(); n > 0; n-- {
			p.Reportf(text.LineRange(n), "same")
		}
	}}
	first := lintOne(t, map[string]string{"compose.yml": stack, "a.conf": lines}, rule)
	seen := map[string]bool{}
	for _, f := range first {
		seen[f.Fingerprint] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d fingerprints for 3 findings", len(seen))
	}
	shorter := lintOne(t, map[string]string{"compose.yml": stack, "a.conf": "same\nsame\n"}, rule)
	if shorter[0].Fingerprint != first[0].Fingerprint || shorter[1].Fingerprint != first[1].Fingerprint {
		t.Error("the first two are numbered otherwise when there is no third")
	}
}

func TestFingerprintOfAFileIsNotOfItsFirstLine(t *testing.T) {
	rule := at(AtFile("compose.yml"))
	before := only(t, lintOne(t, map[string]string{"compose.yml": stack}, rule))
	after := only(t, lintOne(t, map[string]string{"compose.yml": "# new\n" + stack}, rule))
	if before.Fingerprint != after.Fingerprint {
		t.Error("a new first line changed the fingerprint of a finding about the file")
	}
}

func TestFingerprintOfABlockIsNotOfItsEnd(t *testing.T) {
	rule := Rule{ID: "R002", Name: "block", Check: func(p *Pass) {
		p.Reportf(p.Recipe.Base.Lookup("services", "app").Range(), "here")
	}}
	before := only(t, lintOne(t, map[string]string{"compose.yml": stack}, rule))
	after := only(t, lintOne(t, map[string]string{"compose.yml": stack + "    hostname: x\n"}, rule))
	if before.End.Line == after.End.Line {
		t.Fatal("the block did not grow")
	}
	if before.Fingerprint != after.Fingerprint {
		t.Error("a line at the end of a block changed its fingerprint")
	}
}

func TestEnclosing(t *testing.T) {
	text := recipe.NewText("x.yml", []byte(strings.Join([]string{
		"services:",       // 1
		"  app:",          // 2
		"    ports:",      // 3
		"    - a: 1",      // 4
		"      b: 2",      // 5
		"",                // 6
		"    # about c",   // 7
		"    - c",         // 8
		"    image: x",    // 9
		"volumes:",        // 10
		"- v",             // 11
		"- w",             // 12
		"   not yaml   -", // 13
	}, "\n")))
	want := []int{0, 0, 1, 2, 3, 4, 0, 2, 3, 2, 0, 10, 10, 12}
	got := enclosing(text)
	for n := 1; n < len(want); n++ {
		if got[n] != want[n] {
			t.Errorf("line %d is in line %d, want %d", n, got[n], want[n])
		}
	}
}

func FuzzEnclosing(f *testing.F) {
	f.Add(two)
	f.Add("-\n -\n-\r\n\t- #")
	f.Fuzz(func(t *testing.T, s string) {
		text := recipe.NewText("x", []byte(s))
		for n, parent := range enclosing(text) {
			if parent != 0 && (parent >= n || n == 0) {
				t.Fatalf("line %d is in line %d of %q", n, parent, s)
			}
		}
	})
}
