package lint

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/galley-coop/galley/recipe"
)

// otherComments is a text with other words in its comments, and how many it has.
func otherComments(text string) (changed string, comments int) {
	t := recipe.NewText("x.yml", []byte(text))
	l := &textLines{text: t, code: make([]bool, t.Lines()+2)}
	l.yaml()
	cut := map[int]int{}
	for _, c := range l.comments {
		cut[c.line] = c.from - 1
	}
	var b strings.Builder
	for n := 1; n <= t.Lines(); n++ {
		line := t.Line(n)
		if at, ok := cut[n]; ok {
			line = line[:at] + "#~" + strings.Repeat("~", len(line)-at-1)
		}
		b.WriteString(line + "\n")
	}
	return b.String(), len(l.comments)
}

func TestYAMLComments(t *testing.T) {
	tests := []struct {
		name, text string
		want       int
	}{
		{"alone and behind", "# a\na: 1 # b\n#c\n", 3},
		{"not a comment", "a: b#c\nd: http://x/#y\n", 0},
		{"quotes", "a: \"x # y\" # z\nb: 'it''s # not' # yes\n'c # d': 1\n", 2},
		{"an apostrophe in a plain scalar", "a: it's # yes\nb: 'x'\n", 1},
		{"a quote over lines", "a: \"x\n  # not\n  y\" # yes\n", 1},
		{"an escape", "a: \"\\\" # not\" # yes\n", 1},
		{"a block", "a: |\n  # not\n  b\n# yes\nc: 1\n", 1},
		{"a block's header", "a: >-2 # yes\n    # not\n", 1},
		{"a block under an item", "- |\n  # not\n- a: >\n    # not\n  b: 1 # yes\n", 1},
		{"a comment that ends a block", "a:\n  b: |\n      text\n    # yes\n  c: 1\n", 1},
		{"an empty block", "a: |\nb: 1 # yes\n", 1},
		{"a block at the top", "--- |\n# not\nx\n", 0},
		{"a pipe in a plain scalar", "a: x | y # yes\nb: | y\n", 1},
		{"flow", "a: [1, # yes\n  \"# not\", {b: '# not'}] # yes\n", 2},
		{"tags and anchors", "a: &x !!str | # yes\n  # not\nb: *x # yes\n", 2},
		{"quotes behind JSON keys", "{\"a\":\"# not\", \"b\" : '# not'} # yes\n", 1},
		{"a key with an indicator", "? |\n  # not\n: - \"# not\" # yes\n", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changed, got := otherComments(test.text)
			if got != test.want {
				t.Errorf("%d comments, want %d; with other words %q", got, test.want, changed)
			}
		})
	}
}

// FuzzYAMLComments holds the scan of comments against the parser: with other words
// in what it takes for comments, a text means the same.
func FuzzYAMLComments(f *testing.F) {
	f.Add("services:\n  app: # a\n    image: \"x#y\" # b\n    command: |\n      # c\n")
	f.Add("- ? a # b\n  : [c, 'd # e'] # f\n- > # g\n h\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\u0085\u2028\u2029\ufeff%\t") {
			return // UTF-16, other line ends than LF, directives and tabs: the scan does not claim to know them
		}
		before, ok := decoded(text)
		if !ok {
			return
		}
		changed, n := otherComments(text)
		if n == 0 {
			return
		}
		if after, ok := decoded(changed); !ok || after != before {
			t.Errorf("%q with other comments is %q: %q, was %q", text, changed, after, before)
		}
	})
}

// decoded is what a text means, its last line end apart: a block scalar may keep
// it, and the scan adds one.
func decoded(text string) (string, bool) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text+"\n"), &n); err != nil {
		return "", false
	}
	var b strings.Builder
	var walk func(n *yaml.Node, depth int)
	walk = func(n *yaml.Node, depth int) {
		b.WriteString(strings.Repeat(" ", depth) + n.Tag + " " + strings.TrimRight(n.Value, "\n") + n.Anchor + "\n")
		if depth > 50 {
			return
		}
		for _, c := range n.Content {
			walk(c, depth+1)
		}
	}
	walk(&n, 0)
	return b.String(), true
}
