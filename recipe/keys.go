package recipe

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// OddKey is a mapping key that does not do what a plain text key does.
type OddKey struct {
	Name  string // its text, "" for a key that is a list or a mapping
	Range Range
	Top   string // the top-level key it stands below, "" at the top
	Kind  KeyKind
	// Value is where what the key leads to stands.
	Value Range
}

// KeyKind says what is odd about a key.
type KeyKind int

// The kinds: a text with a variable in it, which nobody fills in; a merge key
// whose value cannot be merged; a number, a boolean, nothing; a date, a list or
// a mapping.
const (
	KeyVariable KeyKind = iota
	KeyMerge
	KeyNumber
	KeyBoolean
	KeyNull
	KeyOther
)

// OddKeys lists the odd keys of the text in order, each once: what an alias
// repeats is not repeated. Top-level keys are not among them.
func (d *Document) OddKeys() []OddKey {
	if d.root == nil || d.root.Kind != yaml.MappingNode {
		return nil
	}
	var found []OddKey
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		d.oddKeys(d.root.Content[i+1], d.root.Content[i].Value, &found)
	}
	return found
}

func (d *Document) oddKeys(n *yaml.Node, top string, found *[]OddKey) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && i+1 < len(n.Content) {
			if kind, odd := oddKey(child, n.Content[i+1]); odd {
				*found = append(*found, OddKey{child.Value, d.rangeOf(child), top, kind, d.rangeOf(n.Content[i+1])})
			}
		}
		d.oddKeys(child, top, found)
	}
}

func oddKey(key, value *yaml.Node) (KeyKind, bool) {
	key = resolve(key)
	if key.Kind != yaml.ScalarNode {
		return KeyOther, true
	}
	switch key.ShortTag() {
	case "!!str":
		return KeyVariable, strings.IndexByte(key.Value, '$') >= 0 && len(Variables(key.Value)) > 0
	case "!!merge":
		return KeyMerge, key.Value == "<<" && !mergeable(resolve(value))
	case "!!int", "!!float":
		return KeyNumber, true
	case "!!bool":
		return KeyBoolean, true
	case "!!null":
		return KeyNull, true
	case "!!timestamp":
		return KeyOther, true
	}
	return 0, false
}

// mergeable tells whether a value is a mapping or a list of them, as
// https://yaml.org/type/merge.html asks for.
func mergeable(n *yaml.Node) bool {
	if n.Kind != yaml.SequenceNode {
		return n.Kind == yaml.MappingNode
	}
	for _, item := range n.Content {
		if resolve(item).Kind != yaml.MappingNode {
			return false
		}
	}
	return true
}

// Anchor is a name that YAML gives to a value (&name).
type Anchor struct {
	Name  string
	Range Range // "&name"
}

// UnusedAnchors lists the anchors that no alias names, in the order of the text.
func (d *Document) UnusedAnchors() []Anchor {
	if d.root == nil {
		return nil
	}
	var anchored []*yaml.Node
	used := map[*yaml.Node]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Anchor != "" {
			anchored = append(anchored, n)
		}
		if n.Kind == yaml.AliasNode {
			used[n.Alias] = true
			return
		}
		for _, child := range n.Content {
			walk(child)
		}
	}
	walk(d.root)
	var found []Anchor
	for _, n := range anchored {
		if used[n] {
			continue
		}
		if r, ok := d.anchorRange(n); ok {
			found = append(found, Anchor{n.Anchor, r})
		}
	}
	return found
}

// anchorRange finds "&name" among the properties at a node's mark.
func (d *Document) anchorRange(n *yaml.Node) (Range, bool) {
	from := d.Text.Offset(Position{n.Line, n.Column})
	if from < 0 {
		return Range{}, false
	}
	to := max(from, d.skipProperties(from))
	at := strings.Index(string(d.Text.Bytes[from:to]), "&"+n.Anchor)
	if at < 0 {
		return Range{}, false
	}
	from += at
	return d.Text.Range(from, from+1+len(n.Anchor)), true
}
