package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// once keeps a rule from saying twice what stands at one place: a block behind an
// anchor is met wherever it is used.
type once map[recipe.Range]bool

func (o once) first(r recipe.Range) bool {
	if o[r] {
		return false
	}
	o[r] = true
	return true
}

// interpolated are the parts of a compose file in which variables are filled in.
var interpolated = []string{"services", "networks", "volumes", "secrets", "configs"}

// pulls tells whether a document takes parts from files that are not looked at.
func pulls(d *recipe.Document) bool { return d.Lookup("include").Exists() }

// standing lists the documents that every deploy merges, as far as the recipe
// says: the base, overlays that its sample names, and compose's own override file.
func standing(r *recipe.Recipe) []*recipe.Document {
	var always []string
	if r.Sample != nil {
		if v, ok := r.Sample.Get("COMPOSE_FILE"); ok && !v.Commented {
			always = strings.Split(v.Value, ":")
		}
	}
	var found []*recipe.Document
	for _, d := range r.Documents() {
		name := d.Text.Path
		override := strings.HasSuffix(strings.TrimSuffix(name, path.Ext(name)), ".override")
		if d == r.Base || override || slices.Contains(always, name) {
			found = append(found, d)
		}
	}
	return found
}

// merges lists what is merged for one deploy, in the order of the merge: the
// standing documents, and those with each other overlay.
func merges(r *recipe.Recipe) [][]*recipe.Document {
	always := standing(r)
	found := [][]*recipe.Document{always}
	for _, d := range r.Overlays {
		if !slices.Contains(always, d) {
			found = append(found, append(slices.Clone(always), d))
		}
	}
	return found
}

// serviceNames lists the services of documents, each once, in order.
func serviceNames(documents []*recipe.Document) []string {
	var names []string
	seen := map[string]bool{}
	for _, d := range documents {
		for name := range d.Lookup("services").Pairs() {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// stretch is a part of a scalar's text with the bytes it stands at.
type stretch struct {
	text     string
	from, to int
}

// split cuts text at a separator, leaving out those within ${…}.
func split(text string, separator byte) []stretch {
	var found []stretch
	start, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{' && i > 0 && text[i-1] == '$':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == separator && depth == 0:
			found = append(found, stretch{text[start:i], start, i})
			start = i + 1
		}
	}
	return append(found, stretch{text[start:], start, len(text)})
}

// assigned are the keys of a service that assign text to names, in map or list form.
var assigned = [][]string{{"environment"}, {"labels"}, {"deploy", "labels"}}

// eachAssigned calls visit with every node of the above, once.
func eachAssigned(p *lint.Pass, visit func(service lint.Service, key string, node recipe.Node)) {
	seen := once{}
	for _, service := range p.Services() {
		for _, at := range assigned {
			n := service.Node.Get(at...)
			if (n.IsMap() || n.IsList()) && seen.first(n.Range()) {
				visit(service, at[len(at)-1], n)
			}
		}
	}
}

// quoteFix puts a plain scalar in quotes. Its text needs no escapes.
func quoteFix(n recipe.Node, safe bool) lint.Option {
	return replaceFix(n.Range(), `"`+n.Text()+`"`, "put the value in quotes", safe)
}

// replaceFix puts text in a range's place.
func replaceFix(r recipe.Range, text, message string, safe bool) lint.Option {
	return lint.WithFix(lint.Fix{Message: message, Safe: safe, Edits: []lint.Edit{{File: r.File, Start: r.Start, End: r.End, Text: text}}})
}

// maxCandidates bounds how many names a slip is compared with.
const maxCandidates = 100

// closest is the candidate that text seems to be a slip of, "" for none.
func closest(text string, candidates []string) string {
	best, least := "", 3
	for _, c := range candidates[:min(len(candidates), maxCandidates)] {
		if d := fault.Distance(text, c); d < least && d*2 < max(len(text), len(c)) {
			best, least = c, d
		}
	}
	return best
}
