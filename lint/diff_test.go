package lint

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnifiedDiff(t *testing.T) {
	long := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"
	tests := []struct{ name, before, after, want string }{
		{"same", "a\n", "a\n", ""},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"context of three", long, strings.Replace(long, "6\n", "six\n", 1), "@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n"},
		{"two hunks", long, strings.Replace(strings.Replace(long, "1\n", "", 1), "12\n", "", 1), "@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n@@ -9,4 +8,3 @@\n 9\n 10\n 11\n-12\n"},
		{"added at the end", "a\n", "a\nb\n", "@@ -1 +1,2 @@\n a\n+b\n"},
		{"emptied", "a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		{"without a newline", "a\nb", "a\nc", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"},
		{"CRLF", "a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "--- a/x.yml\n+++ b/x.yml\n" + want
			}
			if got := UnifiedDiff("x.yml", []byte(test.before), []byte(test.after)); got != want {
				t.Errorf("diff =\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestUnifiedDiffOfANewFile(t *testing.T) {
	got := UnifiedDiff("x.yml", nil, []byte("a\n"))
	if want := "--- /dev/null\n+++ b/x.yml\n@@ -0,0 +1 @@\n+a\n"; got != want {
		t.Errorf("diff = %q, want %q", got, want)
	}
}

// TestGitAppliesDiffs lets git itself read what is written, over random texts of
// few different lines, so that there is much to find in common.
func TestGitAppliesDiffs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range random.IntN(40) {
			b.WriteString([]string{"a\n", "b\n", "c\r\n", "\n"}[random.IntN(4)])
		}
		if random.IntN(3) == 0 {
			b.WriteString("end")
		}
		return b.String()
	}
	for range 60 {
		before, after := text(), text()
		if before == after || before == "" || after == "" { // git writes empty files another way
			continue
		}
		dir := tree(t, map[string]string{"x.yml": before})
		apply := exec.Command("git", "apply", "--whitespace=nowarn", "-")
		apply.Dir = dir
		apply.Stdin = strings.NewReader(UnifiedDiff("x.yml", []byte(before), []byte(after)))
		if out, err := apply.CombinedOutput(); err != nil {
			t.Fatalf("git apply: %v\n%s\nof %q to %q", err, out, before, after)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "x.yml")); err != nil || string(got) != after {
			t.Fatalf("applied = %q, %v; want %q", got, err, after)
		}
	}
}

func TestTheDiffIsShortest(t *testing.T) {
	before, after := strings.Repeat("a\nb\nc\n", 300), strings.Repeat("b\nc\na\n", 300)
	diff := UnifiedDiff("x", []byte(before), []byte(after))
	changed := strings.Count(diff, "\n-") + strings.Count(diff, "\n+") - 1 // one is of the header
	if changed != 2 {
		t.Errorf("%d changed lines, want the one that moved, twice", changed)
	}
}

func TestDiffOfEverythingIsBounded(t *testing.T) {
	var before, after bytes.Buffer
	for i := range 50_000 {
		before.WriteString(strings.Repeat("a", i%7) + "\n")
		after.WriteString(strings.Repeat("b", i%5+1) + "\n")
	}
	if diff := UnifiedDiff("x", before.Bytes(), after.Bytes()); strings.Count(diff, "\n@@") != 1 {
		t.Error("want one change of everything")
	}
}

func FuzzChanges(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "\n\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		a, b := splitLines([]byte(before)), splitLines([]byte(after))
		var built []string
		at := 0
		for _, c := range changes(a, b) {
			built = append(built, a[at:c.a1]...)
			if len(built) != c.b1 {
				t.Fatalf("change %+v after %d lines", c, len(built))
			}
			built = append(built, b[c.b1:c.b2]...)
			at = c.a2
		}
		if built = append(built, a[at:]...); strings.Join(built, "") != after {
			t.Fatalf("%q to %q made %q", before, after, built)
		}
	})
}
