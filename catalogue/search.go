package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// Hit is one recipe that a search found, and by what.
type Hit struct {
	IndexItem
	// Match is where the word that fits best was found: "name", "near" (a name
	// that is nearly the word), "category" or "description"; "" without words.
	Match string `json:"match"`
}

// rank is how well a word fits a recipe; the lowest is the best.
type rank int

const (
	nameEqual rank = iota
	namePrefix
	namePart
	nameNear
	categoryPart
	descriptionPart
	noMatch
)

func (r rank) String() string {
	return [...]string{"name", "name", "name", "near", "category", "description", ""}[r]
}

// minNear is the length from which on a word is compared with names that do not
// contain it: of three letters, a third of them may be another's.
const minNear = 4

// Search finds the recipes in which every word is found, in any case: in the
// name, the category or the description, or as a name with a slip in it, which
// counts only when no name contains the word. The best come first: those whose
// name a word is, begins, is a part of, nearly is; then category, then
// description. Among equals, more good words win, then the name. Without words
// it is all recipes by name.
func (x *Index) Search(words ...string) []Hit {
	words = strings.Fields(strings.ToLower(strings.Join(words, " ")))
	near := make([][]string, len(words))
	for i, word := range words {
		near[i] = x.slips(word)
	}
	type found struct {
		Hit
		best, sum rank
	}
	var all []found
	for _, item := range x.Recipes {
		f := found{Hit: Hit{IndexItem: item}, best: noMatch}
		fits := true
		for i, word := range words {
			r := item.rank(word, near[i])
			f.best, f.sum, fits = min(f.best, r), f.sum+r, fits && r < noMatch
		}
		if fits {
			f.Match = f.best.String()
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.best, b.best), cmp.Compare(a.sum, b.sum), cmp.Compare(a.Name, b.Name))
	})
	hits := make([]Hit, 0, len(all))
	for _, f := range all {
		hits = append(hits, f.Hit)
	}
	return hits
}

// slips are the names that a word may be meant for, none when a name contains it.
func (x *Index) slips(word string) []string {
	names := x.names()
	if len(word) < minNear || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, word) }) {
		return nil
	}
	return fault.Near(word, names)
}

func (i IndexItem) rank(word string, near []string) rank {
	switch {
	case i.Name == word:
		return nameEqual
	case strings.HasPrefix(i.Name, word):
		return namePrefix
	case strings.Contains(i.Name, word):
		return namePart
	case slices.Contains(near, i.Name):
		return nameNear
	case strings.Contains(strings.ToLower(i.Category), word):
		return categoryPart
	case strings.Contains(strings.ToLower(i.Description), word):
		return descriptionPart
	}
	return noMatch
}

// Near lists names that are like one of the words, for a hint.
func (x *Index) Near(words ...string) []string {
	near := []string{}
	names := x.names()
	for _, word := range strings.Fields(strings.Join(words, " ")) {
		for _, name := range fault.Near(word, names) {
			if !slices.Contains(near, name) {
				near = append(near, name)
			}
		}
	}
	return near
}

func (x *Index) names() []string {
	names := make([]string, len(x.Recipes))
	for i, item := range x.Recipes {
		names[i] = item.Name
	}
	return names
}
