package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// place is where a finding about a node's value points: at a scalar itself, at
// the key of anything that is long or empty.
func place(n recipe.Node) recipe.Range {
	if !n.Exists() {
		return recipe.Range{}
	}
	if n.IsScalar() && n.Text() != "" || n.Key() == "" {
		return firstLine(n)
	}
	return n.KeyRange()
}

// firstLine is a node's range, cut at the end of its first line: a caret below
// one line says more than one below ten.
func firstLine(n recipe.Node) recipe.Range {
	r := n.Range()
	if r.End.Line == r.Start.Line {
		return r
	}
	r.End = n.Document().Text.LineRange(r.Start.Line).End
	return r
}

// within is the stretch [from, to) of a one-line text that stands at r.
func within(r recipe.Range, text string, from, to int) recipe.Range {
	column := r.Start.Column
	r.Start.Column = column + len([]rune(text[:from]))
	r.End = recipe.Position{Line: r.Start.Line, Column: column + len([]rune(text[:to]))}
	return r
}

// unreadable tells whether one of the named files is there and could not be
// read. S201 says so; a rule must not call such a file missing.
func unreadable(r *recipe.Recipe, names ...string) bool {
	return slices.ContainsFunc(r.Problems, func(p recipe.Problem) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return strings.EqualFold(path.Clean(p.Range.File), name)
		})
	})
}

// parsed tells whether there is a base compose file with a mapping to look into.
func parsed(r *recipe.Recipe) bool { return r.Base.Root().IsMap() }

// baseService is a service of the base file, absent when there is none.
func baseService(r *recipe.Recipe, name string) recipe.Node {
	return r.Base.Lookup("services", name)
}

// servicesKey is where a finding about the services as a whole points.
func servicesKey(r *recipe.Recipe) recipe.Range {
	if services := r.Base.Lookup("services"); services.Exists() {
		return services.KeyRange()
	}
	return recipe.Range{File: r.Base.Text.Path, Start: recipe.Position{Line: 1, Column: 1}, End: recipe.Position{Line: 1, Column: 1}}
}

// shorten keeps a message on one line.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// either joins words as "a", "a or b", "a, b or c".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
