package rules

import (
	"github.com/galley-coop/galley/recipe"
)

// definitionKinds are the top-level keys that services refer to, with the word
// for one entry.
var definitionKinds = []struct{ key, word string }{
	{"networks", "network"}, {"volumes", "volume"}, {"secrets", "secret"}, {"configs", "config"},
}

// reference is a service's mention of a top-level network, volume, secret or config.
type reference struct {
	kind string // the top-level key
	name string
	at   recipe.Range
	// open says that the name holds a variable: it may be any.
	open bool
}

// references lists what one service mentions.
func references(service recipe.Node) []reference {
	var found []reference
	add := func(kind, name string, at recipe.Range) {
		if name != "" {
			found = append(found, reference{kind, name, at, len(recipe.Variables(name)) > 0})
		}
	}
	networks := service.Get("networks")
	for _, n := range networks.Items() {
		add("networks", n.Text(), n.Range())
	}
	for name, n := range networks.Pairs() {
		add("networks", name, n.KeyRange())
	}
	for _, kind := range []string{"secrets", "configs"} {
		for _, n := range service.Get(kind).Items() {
			if source := n.Get("source"); n.IsMap() {
				add(kind, source.Text(), source.Range())
				continue
			}
			add(kind, n.Text(), n.Range())
		}
		for _, n := range service.Get("build", kind).Items() {
			if n.IsMap() {
				n = n.Get("source")
			}
			add(kind, n.Text(), n.Range())
		}
	}
	for _, m := range mounts(service) {
		if m.kind == "volume" && !pathLike(m.source.text) && !m.windows() {
			add("volumes", m.source.text, m.sourceRange())
		}
	}
	return found
}

// volumeEntry is one entry of a service's volumes.
type volumeEntry struct {
	node recipe.Node
	long bool
	// kind is the long form's type, or what the short form's source makes it.
	kind           string
	source, target stretch // of the node's text; in the long form, of the values
	options        string  // behind the target, short form
}

// mounts reads a service's volumes in both forms.
func mounts(service recipe.Node) []volumeEntry {
	var found []volumeEntry
	for _, n := range service.Get("volumes").Items() {
		switch {
		case n.IsMap():
			source, target := n.Get("source"), n.Get("target")
			found = append(found, volumeEntry{
				node: n, long: true, kind: n.Get("type").Text(),
				source: stretch{source.Text(), 0, len(source.Text())},
				target: stretch{target.Text(), 0, len(target.Text())},
			})
		case n.IsScalar() && n.Text() != "":
			found = append(found, shortMount(n))
		}
	}
	return found
}

func shortMount(n recipe.Node) volumeEntry {
	m := volumeEntry{node: n, kind: "volume"}
	parts := split(n.Text(), ':')
	if len(parts) == 1 {
		m.target = parts[0]
		return m
	}
	m.source, m.target = parts[0], parts[1]
	if len(parts) > 2 {
		m.options = parts[2].text
	}
	if pathLike(m.source.text) {
		m.kind = "bind"
	}
	return m
}

// pathLike tells a path from a volume's name, as docker does for the short form.
func pathLike(source string) bool {
	return source != "" && (source[0] == '.' || source[0] == '/' || source[0] == '~')
}

func (m volumeEntry) sourceRange() recipe.Range {
	if m.long {
		return m.node.Get("source").Range()
	}
	return m.node.Sub(m.source.from, m.source.to)
}

func (m volumeEntry) targetRange() recipe.Range {
	if m.long {
		return m.node.Get("target").Range()
	}
	return m.node.Sub(m.target.from, m.target.to)
}
