package main

import (
	"context"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

type catalogueSearchCmd struct {
	Words          []string `arg:"" optional:"" name:"word" help:"Words that are all in a recipe's name, category or description; without any, all recipes."`
	catalogueFlags `embed:""`
}

func (catalogueSearchCmd) Help() string {
	return `Examples:
  galley catalogue search wiki --catalogue https://catalogue.example.org
  galley catalogue search shared files
  galley catalogue search

The best come first: a name that is the word, begins with it, contains it, is
nearly it, then categories, then descriptions. Only the catalogue's index is
read. Exit code 1: nothing was found.`
}

// searchAnswer is the JSON document of a search.
type searchAnswer struct {
	Catalogue string          `json:"catalogue"` // the name that it gives itself
	Recipes   []catalogue.Hit `json:"recipes"`   // the best first
	Near      []string        `json:"near"`      // names like the words, when nothing was found
}

// Run prints what was found, the best first, in one catalogue after the other.
func (c *catalogueSearchCmd) Run(ctx context.Context, s *streams) error {
	clients, err := c.clients(s, trustDir())
	if err != nil {
		return err
	}
	defer clients.Close()
	all, err := c.indexes(ctx, clients)
	if err != nil {
		return err
	}
	var answers []searchAnswer
	found := 0
	for _, index := range all {
		answer := searchAnswer{index.Name, index.Search(c.Words...), []string{}}
		if len(answer.Recipes) == 0 {
			answer.Near = index.Near(c.Words...)
		}
		found += len(answer.Recipes)
		answers = append(answers, answer)
	}
	if err := c.print(s, answers); err != nil || found > 0 {
		return err
	}
	if s.json {
		return answered{fault.No}
	}
	return c.nothing(all, answers)
}

// indexes are of the catalogue that --from names, or else of all.
func (c *catalogueSearchCmd) indexes(ctx context.Context, clients *catalogue.Clients) ([]*catalogue.Index, error) {
	if c.From != "" {
		client, err := clients.For(ctx, c.From, "")
		if err != nil {
			return nil, err
		}
		index, err := client.Index(ctx)
		return []*catalogue.Index{index}, err
	}
	var all []*catalogue.Index
	for i := range clients.Len() {
		client, err := clients.At(ctx, i)
		if err != nil {
			return nil, err
		}
		index, err := client.Index(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, index)
	}
	return all, nil
}

// print names the catalogues where there are several.
func (c *catalogueSearchCmd) print(s *streams, answers []searchAnswer) error {
	if s.json && len(answers) == 1 {
		return s.printJSON(answers[0])
	}
	if s.json {
		return s.printJSON(map[string][]searchAnswer{"catalogues": answers})
	}
	for _, answer := range answers {
		if len(answer.Recipes) == 0 {
			continue
		}
		if len(answers) > 1 {
			s.printf("catalogue %s:\n", oneLine(answer.Catalogue))
		}
		if err := s.table([]string{"NAME", "NEWEST", "CATEGORY", "DESCRIPTION"}, searchRows(answer.Recipes, s.width())); err != nil {
			return err
		}
	}
	return nil
}

func (c *catalogueSearchCmd) nothing(all []*catalogue.Index, answers []searchAnswer) error {
	recipes := 0
	var near, names []string
	for i, index := range all {
		recipes += len(index.Recipes)
		near, names = append(near, answers[i].Near...), append(names, index.Name)
	}
	where := oneLine(strings.Join(names, ", ")) // an address may hold a password
	err := fault.New(fault.No, "none of the %d recipes of %s fits %q", recipes, where, strings.Join(c.Words, " "))
	switch {
	case recipes == 0:
		return fault.New(fault.No, "%s has no recipes", where)
	case len(near) > 0:
		return fault.Hint(err, "did you mean %s?", strings.Join(near, ", "))
	}
	return fault.Hint(err, "galley catalogue search without words lists all")
}

// minDescription is what is left of a description however narrow the terminal.
const minDescription = 12

// searchRows are a table's rows that fit in width columns; 0 is for any width.
func searchRows(hits []catalogue.Hit, width int) [][]string {
	rows := make([][]string, 0, len(hits))
	longest := [3]int{len("NAME"), len("NEWEST"), len("CATEGORY")}
	for _, hit := range hits {
		newest := hit.Newest
		if newest == "" {
			newest = "withdrawn"
		}
		row := []string{hit.Name, newest, oneLine(hit.Category), oneLine(hit.Description)}
		for i := range longest {
			longest[i] = max(longest[i], utf8.RuneCountInString(row[i]))
		}
		rows = append(rows, row)
	}
	if width == 0 {
		return rows
	}
	left := width - longest[0] - longest[1] - longest[2] - 3*len("  ")
	for _, row := range rows {
		row[3] = cut(row[3], max(left, minDescription))
	}
	return rows
}

// cut shortens a text to so many characters, the last an ellipsis.
func cut(text string, characters int) string {
	if utf8.RuneCountInString(text) <= characters {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:characters-1]), " ") + "…"
}

// width is of the terminal that standard output is, 0 when it is none.
func (s *streams) width() int {
	f, ok := s.out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
