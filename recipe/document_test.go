package recipe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// at renders a range with the text under it, so that a wrong position and a
// wrong text both show.
func at(d *Document, r Range) string {
	return fmt.Sprintf("%d:%d-%d:%d %s", r.Start.Line, r.Start.Column, r.End.Line, r.End.Column, d.Text.Slice(r))
}

const positions = `plain: a value # comment
"quoted key": 'it''s'
double: "a \"b\" ü é"
ünï: après
anchored: &x !!str tagged
alias: *x
flow: {a: [1, two], 'b': "c"} # }
block: |
  first ${X}
  second
folded: >-
  one
  two ${Y:-z}

multi: two
  lines
empty:
list:
  - - nested
  - {k: v}
`

func TestRanges(t *testing.T) {
	d := ParseDocument("compose.yml", []byte(positions))
	if len(d.Errors) > 0 {
		t.Fatal(d.Errors)
	}
	tests := []struct{ path, value, key string }{
		{"plain", "1:8-1:15 a value", "1:1-1:6 plain"},
		{"quoted key", "2:15-2:22 'it''s'", `2:1-2:13 "quoted key"`},
		{"double", `3:9-3:22 "a \"b\" ü é"`, "3:1-3:7 double"},
		{"ünï", "4:6-4:11 après", "4:1-4:4 ünï"},
		{"anchored", "5:20-5:26 tagged", "5:1-5:9 anchored"},
		{"alias", "5:20-5:26 tagged", "6:1-6:6 alias"},
		{"flow", `7:7-7:30 {a: [1, two], 'b': "c"}`, "7:1-7:5 flow"},
		{"flow/a", "7:11-7:19 [1, two]", "7:8-7:9 a"},
		{"flow/a/1", "7:15-7:18 two", "7:15-7:18 two"},
		{"flow/b", `7:26-7:29 "c"`, "7:21-7:24 'b'"},
		{"block", "8:8-10:9 |\n  first ${X}\n  second", "8:1-8:6 block"},
		{"folded", "11:9-13:14 >-\n  one\n  two ${Y:-z}", "11:1-11:7 folded"},
		{"multi", "15:8-16:8 two\n  lines", "15:1-15:6 multi"},
		{"empty", "17:7-17:7 ", "17:1-17:6 empty"},
		{"list", "19:3-20:11 - - nested\n  - {k: v}", "18:1-18:5 list"},
		{"list/0/0", "19:7-19:13 nested", "19:7-19:13 nested"},
		{"list/1/k", "20:9-20:10 v", "20:6-20:7 k"},
	}
	for _, test := range tests {
		n := d.Lookup(strings.Split(test.path, "/")...)
		if !n.Exists() {
			t.Errorf("%s: absent", test.path)
			continue
		}
		if got := at(d, n.Range()); got != test.value {
			t.Errorf("%s: value at %q, want %q", test.path, got, test.value)
		}
		if got := at(d, n.KeyRange()); got != test.key {
			t.Errorf("%s: key at %q, want %q", test.path, got, test.key)
		}
	}
}

func TestSubRanges(t *testing.T) {
	d := ParseDocument("compose.yml", []byte(positions))
	tests := []struct{ path, part, want string }{
		{"plain", "value", "1:10-1:15 value"},
		{"quoted key", "'s", "2:18-2:21 ''s"},
		{"double", `"b"`, `3:12-3:17 \"b\"`},
		{"double", "ü", "3:18-3:19 ü"},
		{"block", "${X}", "9:9-9:13 ${X}"},
		{"folded", "${Y:-z}", "13:7-13:14 ${Y:-z}"},
		{"multi", "lines", "16:3-16:8 lines"},
	}
	for _, test := range tests {
		n := d.Lookup(strings.Split(test.path, "/")...)
		i := strings.Index(n.Text(), test.part)
		if got := at(d, n.Sub(i, i+len(test.part))); got != test.want {
			t.Errorf("%s in %s at %q, want %q", test.part, test.path, got, test.want)
		}
	}
}

func TestMergeKeys(t *testing.T) {
	d := ParseDocument("compose.yml", []byte(`
base: &base {image: a, user: root}
other: &other {user: nobody, tty: true}
service:
  <<: [*base, *other]
  image: b
`))
	service := d.Lookup("service")
	var keys []string
	for key, value := range service.Pairs() {
		keys = append(keys, key+"="+value.Text())
	}
	if got := strings.Join(keys, " "); got != "image=b user=root tty=true" {
		t.Errorf("pairs = %s", got)
	}
	if got := at(d, service.Get("user").Range()); got != "2:30-2:34 root" {
		t.Errorf("merged value at %s", got)
	}
	if got := fmt.Sprint(service.Any()); got != "map[image:b tty:true user:root]" {
		t.Errorf("any = %s", got)
	}
}

func TestDuplicateKeys(t *testing.T) {
	d := ParseDocument("compose.yml", []byte("a: 1\nb: {x: 1, x: 2}\na: 3\n"))
	var got []string
	for _, dup := range d.Duplicates() {
		got = append(got, at(d, dup.First)+" | "+at(d, dup.Second))
	}
	if want := "1:1-1:2 a | 3:1-3:2 a; 2:5-2:6 x | 2:11-2:12 x"; strings.Join(got, "; ") != want {
		t.Errorf("duplicates = %s, want %s", strings.Join(got, "; "), want)
	}
	if got := d.Lookup("a").Text(); got != "3" {
		t.Errorf("a = %s, want the last one", got)
	}
}

func TestWhatDoesNotParseSaysWhere(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	tests := []struct{ name, text, want string }{
		{"tab", "a:\n\t- b\n", "compose.yml:2:1: found character that cannot start any token, while scanning for the next token that starts at line 2"},
		{"unclosed", "é: [1, 2", "compose.yml:1:9: did not find expected ',' or ']', while parsing a flow sequence that starts at line 1"},
		{"two values", "a: b: c\n", "compose.yml:1:5: mapping values are not allowed in this context"},
		{"unknown alias", "a: *nope\n", "compose.yml:1:4: unknown anchor 'nope' referenced"},
		{"NUL", "a: é\x00\n", "compose.yml:1:5: control character 0x00, which YAML does not allow"},
		{"no UTF-8", "a: 1\nb: \xff\n", "compose.yml:2:4: byte 0xff is not UTF-8 text that YAML allows"},
		{"empty", "", "compose.yml:1:1: the file is empty; expected a mapping with services"},
		{"only a comment", "# nothing\n", "compose.yml:1:1: the file is empty; expected a mapping with services"},
		{"list", "- a\n", "compose.yml:1:1: the top level is a list; expected a mapping with services"},
		{"alias bomb", bomb, "compose.yml:1:1: more than 262144 values once aliases are followed"},
		{"cyclic anchor", "a: &a [*a, *a]\n", "compose.yml:1:1: more than 262144 values once aliases are followed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := ParseDocument("compose.yml", []byte(test.text))
			if len(d.Errors) != 1 || d.Errors[0].Error() != test.want {
				t.Errorf("errors = %q, want %q", d.Errors, test.want)
			}
		})
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	d := ParseDocument("compose.yml", []byte("\ufeffa: 1\r\nb: \"x\ty\"\r\n"))
	if len(d.Errors) > 0 {
		t.Fatal(d.Errors)
	}
	if got := at(d, d.Lookup("a").KeyRange()); got != "1:1-1:2 a" {
		t.Errorf("key behind the mark at %s", got)
	}
	if got := at(d, d.Lookup("b").Range()); got != "2:4-2:9 \"x\ty\"" {
		t.Errorf("value at %q", got)
	}
	if got := d.Text.Line(1); got != "a: 1" {
		t.Errorf("line = %q", got)
	}
}

func TestAbsentNodesAnswer(t *testing.T) {
	d := ParseDocument("compose.yml", []byte("a: [1]\n"))
	for _, n := range []Node{d.Lookup("x"), d.Lookup("a", "7"), d.Lookup("a", "0", "z"), {}} {
		if n.Exists() || n.Text() != "" || n.Range() != (Range{}) || n.Len() != 0 || n.Any() != nil {
			t.Errorf("absent node answers %v %q", n.Range(), n.Text())
		}
	}
}

// FuzzParseDocument walks everything of every document that parses: no input
// may crash a walk or lead to a range outside the file.
func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(positions))
	f.Add([]byte("a: &a [*a]\n<<: *a\n"))
	f.Add([]byte("a: \"\\\n x\"\nb: |2\n   x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := ParseDocument("f", data)
		d.Duplicates()
		d.Root().Scalars(func(path []string, n Node) {
			r := n.Range()
			from, to := d.Text.Offset(r.Start), d.Text.Offset(r.End)
			if from < 0 || to < from || to > len(d.Text.Bytes) {
				t.Fatalf("%v: range %v of %q", path, r, n.Text())
			}
			if len(n.Text()) > 0 {
				n.Sub(0, len(n.Text()))
				n.Sub(len(n.Text())-1, len(n.Text()))
			}
		})
		d.Root().Any()
	})
}

// BenchmarkParseDocument parses the documents of one recipe and asks for the
// range of every scalar in them.
func BenchmarkParseDocument(b *testing.B) {
	data := []byte(positions)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		d := ParseDocument("compose.yml", data)
		d.Root().Scalars(func(_ []string, n Node) { n.Range() })
	}
}

// BenchmarkPairsOfOneLargeMapping guards against a look-up for each key.
func BenchmarkPairsOfOneLargeMapping(b *testing.B) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "k%d: v\n", i)
	}
	d := ParseDocument("compose.yml", []byte(text.String()))
	for b.Loop() {
		for range d.Root().Pairs() {
			continue
		}
	}
}

// TestPairsOfSmallAndLargeMappings: a small mapping is walked without the maps
// that a large one needs, and gives the same.
func TestPairsOfSmallAndLargeMappings(t *testing.T) {
	small := "a: 1\nb: 2\na: 3\n\"<<\": 4\n? [x]\n: 5\nb: 6\nc:\n"
	large := small
	for i := range fewKeys {
		large += fmt.Sprintf("more%d: 1\n", i)
	}
	list := func(text string) (found []string) {
		for key, value := range ParseDocument("compose.yml", []byte(text)).Root().Pairs() {
			found = append(found, fmt.Sprintf("%s=%s at %d", key, value.Text(), value.KeyRange().Start.Line))
		}
		return found
	}
	want := []string{"a=3 at 3", "b=6 at 7", "<<=4 at 4", "c= at 8"}
	if got := list(small); !slices.Equal(got, want) {
		t.Errorf("small: %q, want %q", got, want)
	}
	if got := list(large); !slices.Equal(got[:min(len(got), len(want))], want) {
		t.Errorf("large: %q, want %q first", got, want)
	}
}

// TestPlacesInScalars: where a value stands in the text as it is, and where it
// has to be followed.
func TestPlacesInScalars(t *testing.T) {
	tests := []struct{ scalar, part, place string }{
		{`plain:1`, "1", "1"}, {`'quoted:1'`, "1", "1"}, {`"quoted:1"`, "1", "1"},
		{`'it''s:1'`, "1", "1"}, {`'it''s'`, "'", "''"}, {`"a\\b:1"`, "1", "1"}, {`"a\\b"`, `\`, `\\`},
		{"\"a\\Lb\"", "b", "b"}, {"one\n  two", "two", "two"}, {"|\n  one\n  two", "two", "two"},
		{"é:1", "1", "1"}, {`"\x41:1"`, "1", "1"}, {`"\x41:1"`, "A", `\x41`},
	}
	for _, test := range tests {
		d := ParseDocument("compose.yml", []byte("key: "+test.scalar+"\n"))
		n := d.Lookup("key")
		at := strings.Index(n.Text(), test.part)
		if at < 0 {
			t.Fatalf("%s is %q, without %q", test.scalar, n.Text(), test.part)
		}
		if got := d.Text.Slice(n.Sub(at, at+len(test.part))); got != test.place {
			t.Errorf("%q in %s is at %q, want %q", test.part, test.scalar, got, test.place)
		}
	}
}

// TestLookupInALargeMapping: the index gives what the search gives.
func TestLookupInALargeMapping(t *testing.T) {
	var text strings.Builder
	text.WriteString("base: &base {merged: 1, k3: 2}\nall:\n  <<: *base\n  k1: first\n")
	for i := range 2 * manyKeys {
		fmt.Fprintf(&text, "  k%d: v%d\n", i, i)
	}
	all := ParseDocument("compose.yml", []byte(text.String())).Lookup("all")
	for key, want := range map[string]string{"k1": "v1", "k3": "v3", "merged": "1", "nothing": "", "<<": ""} {
		if got := all.Get(key).Text(); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
}
