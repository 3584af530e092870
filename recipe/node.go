package recipe

import (
	"iter"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Node is a value in a Document together with the key or list place it stands
// at. The zero Node is absent: every method works on it and answers with
// nothing, so a path is followed without a check at each step.
//
// Aliases are followed, and merge keys (<<) are looked through with the
// explicit key winning: a Node's Range is where the text really stands.
type Node struct {
	doc   *Document
	key   *yaml.Node // nil for list items and the root
	value *yaml.Node
}

// Root is the document's top value, absent when the file does not parse.
func (d *Document) Root() Node {
	if d == nil || d.root == nil {
		return Node{}
	}
	return Node{doc: d, value: resolve(d.root)}
}

// Lookup follows path from the root: mapping keys, and decimal places in lists.
func (d *Document) Lookup(path ...string) Node { return d.Root().Get(path...) }

// Exists tells whether the node is there. An explicit null exists.
func (n Node) Exists() bool { return n.value != nil }

// IsMap, IsList, IsScalar and IsNull tell the kind of an existing node; all
// are false for an absent one. A null is a scalar too.
func (n Node) IsMap() bool { return n.Exists() && n.value.Kind == yaml.MappingNode }

// IsList tells whether the node is a sequence.
func (n Node) IsList() bool { return n.Exists() && n.value.Kind == yaml.SequenceNode }

// IsScalar tells whether the node is a single value.
func (n Node) IsScalar() bool { return n.Exists() && n.value.Kind == yaml.ScalarNode }

// IsNull tells whether the node is an explicit or an empty null.
func (n Node) IsNull() bool { return n.IsScalar() && n.value.ShortTag() == "!!null" }

// IsString tells whether the node is a scalar that YAML reads as a string.
func (n Node) IsString() bool { return n.IsScalar() && n.value.ShortTag() == "!!str" }

// Quoted tells whether a scalar is written in quotes or as a block.
func (n Node) Quoted() bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.IsScalar() && n.value.Style&quoted != 0
}

// Text is a scalar's value as written, quotes and escapes undone and nothing
// interpolated; "" for lists, mappings and absent nodes.
func (n Node) Text() string {
	if !n.IsScalar() {
		return ""
	}
	return n.value.Value
}

// Key is the mapping key the node stands at, "" in a list.
func (n Node) Key() string {
	if n.key == nil {
		return ""
	}
	return n.key.Value
}

// Document is the file the node stands in, nil for an absent node.
func (n Node) Document() *Document { return n.doc }

// Len is the number of list items or mapping keys, merged ones not counted.
func (n Node) Len() int {
	switch {
	case n.IsList():
		return len(n.value.Content)
	case n.IsMap():
		return len(n.value.Content) / 2
	}
	return 0
}

// Get follows path down from n. An absent step makes the answer absent.
func (n Node) Get(path ...string) Node {
	for _, step := range path {
		n = n.child(step)
	}
	return n
}

func (n Node) child(step string) Node {
	switch {
	case n.IsMap():
		key, value := n.doc.find(n.value, step, 0)
		if value == nil {
			return Node{}
		}
		return Node{doc: n.doc, key: key, value: resolve(value)}
	case n.IsList():
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(n.value.Content) {
			return Node{}
		}
		return Node{doc: n.doc, value: resolve(n.value.Content[i])}
	}
	return Node{}
}

// maxMergeDepth bounds chains of merge keys, which may be cyclic.
const maxMergeDepth = 32

// find looks for a key in a mapping, then in what it merges. Of a key that is
// written twice the last one counts, as for the loaders that accept it.
func (d *Document) find(m *yaml.Node, name string, depth int) (key, value *yaml.Node) {
	if at := d.findOwn(m, name); at >= 0 {
		return m.Content[at], m.Content[at+1]
	}
	if depth >= maxMergeDepth {
		return nil, nil
	}
	for _, merged := range merges(m) {
		if key, value = d.find(merged, name, depth+1); value != nil {
			return key, value
		}
	}
	return nil, nil
}

// findOwn is where the key stands in a mapping's content, -1 for nowhere.
func (d *Document) findOwn(m *yaml.Node, name string) int {
	if len(m.Content) > 2*manyKeys {
		if at, ok := d.keysOf(m)[name]; ok {
			return at
		}
		return -1
	}
	for i := len(m.Content) - 2; i >= 0; i -= 2 {
		if k := m.Content[i]; k.Value == name && k.Kind == yaml.ScalarNode && !isMerge(k) {
			return i
		}
	}
	return -1
}

// manyKeys is how many keys a mapping may have and be searched through for each
// that is asked for. Of larger ones an index is kept: rules ask for each service
// by its name, and a file may hold tens of thousands.
const manyKeys = 64

// keysOf is the index of a large mapping's own keys.
func (d *Document) keysOf(m *yaml.Node) map[string]int {
	if known, ok := d.large.Load(m); ok {
		return known.(map[string]int)
	}
	keys := make(map[string]int, len(m.Content)/2)
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; k.Kind == yaml.ScalarNode && !isMerge(k) {
			keys[k.Value] = i
		}
	}
	d.large.Store(m, keys)
	return keys
}

// merges lists the mappings a mapping merges, the one that wins first.
func merges(m *yaml.Node) []*yaml.Node {
	var found []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !isMerge(m.Content[i]) {
			continue
		}
		value := resolve(m.Content[i+1])
		switch value.Kind {
		case yaml.MappingNode:
			found = append(found, value)
		case yaml.SequenceNode:
			for _, item := range value.Content {
				if item = resolve(item); item.Kind == yaml.MappingNode {
					found = append(found, item)
				}
			}
		}
	}
	return found
}

func hasMerge(m *yaml.Node) bool {
	for i := 0; i < len(m.Content); i += 2 {
		if isMerge(m.Content[i]) {
			return true
		}
	}
	return false
}

func isMerge(k *yaml.Node) bool { return k.Value == "<<" && k.ShortTag() == "!!merge" }

// resolve follows an alias to what it names.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxMergeDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// Pairs yields a mapping's keys with their values in the order of the text, the
// merged ones after the mapping's own. A key is yielded once.
func (n Node) Pairs() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		switch {
		case !n.IsMap():
		case len(n.value.Content) <= 2*fewKeys && !hasMerge(n.value):
			n.fewPairs(yield)
		default:
			n.pairs(n.value, map[string]bool{}, 0, yield)
		}
	}
}

// fewKeys is how many keys are compared with each other faster than put into a
// map.
const fewKeys = 24

// fewPairs is pairs for a small mapping that merges nothing: almost all are.
func (n Node) fewPairs(yield func(string, Node) bool) {
	content := n.value.Content
	for i := 0; i+1 < len(content); i += 2 {
		first, last := i, i
		for j := 0; j+1 < len(content) && content[i].Kind == yaml.ScalarNode; j += 2 {
			if content[j].Value == content[i].Value && content[j].Kind == yaml.ScalarNode {
				first, last = min(first, j), max(last, j)
			}
		}
		if content[i].Kind != yaml.ScalarNode || first < i {
			continue
		}
		if !yield(content[i].Value, Node{doc: n.doc, key: content[last], value: resolve(content[last+1])}) {
			return
		}
	}
}

func (n Node) pairs(m *yaml.Node, seen map[string]bool, depth int, yield func(string, Node) bool) bool {
	last := make(map[string]int, len(m.Content)/2) // of a key that is written twice
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; k.Kind == yaml.ScalarNode && !isMerge(k) {
			last[k.Value] = i
		}
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := m.Content[i]
		if k.Kind != yaml.ScalarNode || isMerge(k) || seen[k.Value] {
			continue
		}
		seen[k.Value] = true
		at := last[k.Value]
		if !yield(k.Value, Node{doc: n.doc, key: m.Content[at], value: resolve(m.Content[at+1])}) {
			return false
		}
	}
	if depth >= maxMergeDepth {
		return true
	}
	for _, merged := range merges(m) {
		if !n.pairs(merged, seen, depth+1, yield) {
			return false
		}
	}
	return true
}

// Items yields a list's values in order.
func (n Node) Items() iter.Seq2[int, Node] {
	return func(yield func(int, Node) bool) {
		if !n.IsList() {
			return
		}
		for i, item := range n.value.Content {
			if !yield(i, Node{doc: n.doc, value: resolve(item)}) {
				return
			}
		}
	}
}

// Scalars calls visit for every scalar below n, n itself included, with the
// path that leads to it from n. Cyclic aliases end where they meet themselves.
// The path is only valid during the call.
func (n Node) Scalars(visit func(path []string, scalar Node)) {
	n.scalars(nil, map[*yaml.Node]bool{}, visit)
}

func (n Node) scalars(path []string, open map[*yaml.Node]bool, visit func([]string, Node)) {
	if n.IsScalar() {
		visit(path, n)
		return
	}
	if !n.Exists() || open[n.value] {
		return
	}
	open[n.value] = true
	defer delete(open, n.value)
	for key, child := range n.Pairs() {
		child.scalars(append(path, key), open, visit)
	}
	for i, child := range n.Items() {
		child.scalars(append(path, strconv.Itoa(i)), open, visit)
	}
}

// Any is the value as plain Go data for a schema: map[string]any, []any,
// string, bool, int, float64, nil. Merge keys are applied. Keys that are no
// strings become their text.
func (n Node) Any() any { return n.any(map[*yaml.Node]bool{}) }

func (n Node) any(open map[*yaml.Node]bool) any {
	if !n.Exists() || open[n.value] {
		return nil
	}
	open[n.value] = true
	defer delete(open, n.value)
	switch {
	case n.IsMap():
		m := make(map[string]any, n.Len())
		for key, child := range n.Pairs() {
			m[key] = child.any(open)
		}
		return m
	case n.IsList():
		list := make([]any, 0, n.Len())
		for _, child := range n.Items() {
			list = append(list, child.any(open))
		}
		return list
	}
	return n.scalarValue()
}

func (n Node) scalarValue() any {
	if n.IsString() {
		return n.value.Value
	}
	var v any
	if err := n.value.Decode(&v); err != nil {
		return n.value.Value
	}
	switch v.(type) {
	case nil, bool, int, int64, uint64, float64, string:
		return v
	}
	return n.value.Value // timestamps: compose has none
}

// DuplicateKey is a mapping key that is written twice.
type DuplicateKey struct {
	Name          string
	First, Second Range
}

// Duplicates lists the keys written more than once in one mapping of the text.
// Loaders disagree on them: some refuse the file, others keep the last. The list
// is the document's: it must not be changed.
func (d *Document) Duplicates() []DuplicateKey {
	d.twice.Do(func() {
		if d.root != nil {
			d.duplicates(d.root, &d.duplicated)
		}
	})
	return d.duplicated
}

func (d *Document) duplicates(n *yaml.Node, found *[]DuplicateKey) {
	if n.Kind == yaml.MappingNode {
		first := make(map[string]*yaml.Node, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if earlier, ok := first[key.Value]; ok {
				*found = append(*found, DuplicateKey{key.Value, d.rangeOf(earlier), d.rangeOf(key)})
				continue
			}
			first[key.Value] = key
		}
	}
	for _, child := range n.Content {
		d.duplicates(child, found)
	}
}
