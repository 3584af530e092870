package recipe

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseNote(t *testing.T) {
	n := ParseNote(NewText("release/1.2.0+5.1.0", []byte("\ufeff\r\nNew:\r\n- a\r\n\r\n")))
	v, err := n.Parsed()
	if err != nil || v.String() != "1.2.0+5.1.0" || n.Version != "1.2.0+5.1.0" || n.Next() {
		t.Errorf("got %+v, %v, %v", n, v, err)
	}
	if n.Body() != "New:\n- a" {
		t.Errorf("body %q", n.Body())
	}
	next := ParseNote(NewText("release/next", nil))
	if _, err := next.Parsed(); !next.Next() || err == nil || next.Body() != "" {
		t.Errorf("release/next: %+v, %v", next, err)
	}
	if (Note{}).Body() != "" {
		t.Error("the zero Note has a body")
	}
}

func FuzzParseNote(f *testing.F) {
	f.Add("release/1.0.0+2", []byte("a\r\nb"))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		n := ParseNote(NewText(path, data))
		if strings.Contains(n.Version, "/") && n.Version != "/" || !utf8.ValidString(n.Body()) {
			t.Fatalf("%+v", n)
		}
	})
}
