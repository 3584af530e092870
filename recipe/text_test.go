package recipe

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPositionsOfMixedText(t *testing.T) {
	text := NewText("f", []byte("aé\r\n\U0001f600 b\xffc\n\nlast"))
	for offset, want := range map[int]Position{
		0: {1, 1}, 1: {1, 2}, 3: {1, 3}, 5: {2, 1}, 9: {2, 2}, 10: {2, 3}, 11: {2, 4}, 12: {2, 5}, 14: {3, 1}, 15: {4, 1}, 19: {4, 5}, 99: {4, 5}, -1: {1, 1},
	} {
		if got := text.Position(offset); got != want {
			t.Errorf("offset %d at %v, want %v", offset, got, want)
		}
	}
	for at, want := range map[Position]int{{1, 2}: 1, {1, 3}: 3, {1, 99}: 4, {2, 2}: 9, {4, 5}: 19, {5, 1}: -1, {0, 1}: -1} {
		if got := text.Offset(at); got != want {
			t.Errorf("%v at offset %d, want %d", at, got, want)
		}
	}
	for n, want := range map[int]string{1: "aé", 2: "\U0001f600 b\xffc", 3: "", 4: "last", 5: "", 0: ""} {
		if got := text.Line(n); got != want {
			t.Errorf("line %d = %q, want %q", n, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string]int{"": 1, "a": 1, "a\n": 1, "a\n\n": 2, "a\nb": 2, "\n": 1} {
		if got := NewText("f", []byte(text)).Lines(); got != want {
			t.Errorf("%q has %d lines, want %d", text, got, want)
		}
	}
}

// Every offset of a long line leads to a position and back, at the seams of the
// counted blocks too.
func TestLongLinesOfManyWidths(t *testing.T) {
	line := strings.Repeat("aé\U0001f600\xff", 1500)
	text := NewText("f", []byte("x\n"+line+"\ny"))
	for offset := 0; offset < len(text.Bytes); {
		if back := text.Offset(text.Position(offset)); back != offset {
			t.Fatalf("offset %d leads to %v and back to %d", offset, text.Position(offset), back)
		}
		_, size := utf8.DecodeRune(text.Bytes[offset:])
		offset += size
	}
	if got := text.Position(2 + len(line)); got != (Position{2, 6001}) {
		t.Errorf("end of the line at %v", got)
	}
}

func BenchmarkPositionInOneLongLine(b *testing.B) {
	text := NewText("f", []byte(strings.Repeat("é, ", 500_000)))
	for b.Loop() {
		text.Offset(text.Position(len(text.Bytes) - 3))
	}
}
