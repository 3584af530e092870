package rules

import (
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// deployLabel is one label of deploy.labels. Unlike recipe.Label it works its
// places out only when it is asked for them.
type deployLabel struct {
	name, value string // not interpolated
	node        recipe.Node
	pair        bool // a mapping's pair, not a list's "name=value"
}

// labels are the service's deploy.labels; one name has one label, that of the
// file merged last.
func (s deployService) labels() []deployLabel {
	var found []deployLabel
	taken := map[string]bool{}
	for _, n := range s.all("deploy", "labels") {
		for _, l := range readDeployLabels(n) {
			if !taken[l.name] {
				taken[l.name] = true
				found = append(found, l)
			}
		}
	}
	return found
}

func readDeployLabels(n recipe.Node) []deployLabel {
	var found []deployLabel
	for _, item := range n.Items() {
		if item.IsScalar() && !item.IsNull() {
			name, value, _ := strings.Cut(item.Text(), "=")
			found = append(found, deployLabel{name: name, value: value, node: item})
		}
	}
	for name, value := range n.Pairs() {
		found = append(found, deployLabel{name: name, value: value.Text(), node: value, pair: true})
	}
	return found
}

// namePlace is where bytes of the label's name stand.
func (l deployLabel) namePlace(from, to int) recipe.Range {
	if !l.pair {
		return l.node.Sub(from, to)
	}
	r := l.node.KeyRange()
	text := l.node.Document().Text.Slice(r)
	if len(text) == len(l.name)+2 {
		r.Start.Column, r.End.Column = r.Start.Column+1, r.End.Column-1
	} else if len(text) != len(l.name) {
		return r
	}
	return within(r, l.name, from, to)
}

// valuePlace is where bytes of the label's value stand.
func (l deployLabel) valuePlace(from, to int) recipe.Range {
	shift := 0
	if !l.pair {
		shift = len(l.node.Text()) - len(l.value)
	}
	return oneLine(l.node, l.node.Sub(shift+from, shift+to))
}

// at is where the whole label stands, at most to its line's end.
func (l deployLabel) at() recipe.Range {
	if l.pair {
		return l.node.KeyRange()
	}
	return firstLine(l.node)
}

// oneLine cuts a range of a node's text at the end of its first line.
func oneLine(n recipe.Node, r recipe.Range) recipe.Range {
	if r.End.Line != r.Start.Line {
		r.End = n.Document().Text.LineRange(r.Start.Line).End
	}
	return r
}

// labelPath cuts a label's name at its dots. Those within ${…} are no dots.
func labelPath(name string) []string {
	var path []string
	depth, from := 0, 0
	for i := 0; i < len(name); i++ {
		switch {
		case strings.HasPrefix(name[i:], "${"):
			depth++
		case name[i] == '}' && depth > 0:
			depth--
		case name[i] == '.' && depth == 0:
			path = append(path, name[from:i])
			from = i + 1
		}
	}
	return append(path, name[from:])
}

// traefikOption is a label of the form traefik.http.routers.<name>.<field>.
type traefikOption struct {
	label    deployLabel
	protocol string // "http", "tcp", "udp"
	kind     string // "routers", "services", "middlewares"
	name     string
	field    string // the rest in lower case, "tls.certresolver"
	fieldAt  int    // where field starts in the label's name
}

// traefikLabels is what a service's labels tell traefik.
type traefikLabels struct {
	enable  deployLabel // absent when its name is ""
	options []traefikOption
	network deployLabel // traefik.docker.network and its like
	old     bool        // labels of traefik 1
}

func (s deployService) traefik() traefikLabels { return readTraefik(s.labels()) }

func readTraefik(labels []deployLabel) traefikLabels {
	var t traefikLabels
	for _, l := range labels {
		lower := strings.ToLower(strings.TrimSpace(l.name))
		switch {
		case lower == traefikEnable:
			t.enable = l
		case lower == "traefik.docker.network", lower == "traefik.swarm.network":
			t.network = l
		case lower == "traefik.port", strings.HasPrefix(lower, "traefik.frontend."):
			t.old = true
		case strings.HasPrefix(lower, "traefik."):
			if o, ok := readTraefikOption(l); ok {
				t.options = append(t.options, o)
			}
		}
	}
	return t
}

func readTraefikOption(l deployLabel) (traefikOption, bool) {
	path := labelPath(l.name)
	if len(path) < 5 {
		return traefikOption{}, false
	}
	o := traefikOption{label: l, protocol: strings.ToLower(path[1]), kind: strings.ToLower(path[2]), name: path[3]}
	o.fieldAt = len(strings.Join(path[:4], ".")) + 1
	o.field = strings.ToLower(l.name[o.fieldAt:])
	known := o.protocol == "http" || o.protocol == "tcp" || o.protocol == "udp"
	return o, known && (o.kind == "routers" || o.kind == "services" || o.kind == "middlewares")
}

// of lists the options of one protocol and kind.
func (t traefikLabels) of(protocol, kind string) []traefikOption {
	var found []traefikOption
	for _, o := range t.options {
		if o.protocol == protocol && o.kind == kind {
			found = append(found, o)
		}
	}
	return found
}

// routes tells whether traefik is to route to the service, by what its labels
// say, and which label says so. Services that leave it to traefik's own defaults
// are not judged.
func (t traefikLabels) routes(p *deployStack) (deployLabel, bool) {
	if t.enable.name != "" {
		var env map[string]string
		if strings.Contains(t.enable.value, "$") {
			env = p.pass.Recipe.SampleEnvironment()
		}
		return t.enable, enabled(t.enable.value, recipe.MapLookup(env))
	}
	for _, o := range t.options {
		if o.kind == "routers" && o.field == "rule" {
			return o.label, true
		}
	}
	return deployLabel{}, false
}

// maxOptionNames bounds what is looked at of one service: rules compare each router
// with all options. Real services have a dozen.
const maxOptionNames = 1000

// optionNames are the distinct names of options, with the first option of each.
func optionNames(options []traefikOption) []traefikOption {
	var first []traefikOption
	seen := map[string]bool{}
	for _, o := range options {
		if !seen[o.name] && len(first) < maxOptionNames {
			seen[o.name] = true
			first = append(first, o)
		}
	}
	return first
}

// find is the option of a name with one of the fields.
func findOption(options []traefikOption, name string, fields ...string) (traefikOption, bool) {
	for _, o := range options {
		for _, field := range fields {
			if o.name == name && o.field == field {
				return o, true
			}
		}
	}
	return traefikOption{}, false
}
