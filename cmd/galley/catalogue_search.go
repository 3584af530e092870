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
	Words     []string `arg:"" optional:"" name:"word" help:"Words that are all in a recipe's name, category or description; without any, all recipes."`
	Catalogue string   `env:"GALLEY_CATALOGUE" required:"" help:"The catalogue to read." placeholder:"URL|DIR"`
	Root      string   `env:"GALLEY_ROOT" help:"Pinned root.json of the catalogue." placeholder:"FILE"`
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

// Run prints what was found, the best first.
func (c *catalogueSearchCmd) Run(ctx context.Context, s *streams) error {
	client, err := openCatalogue(ctx, s, c.Catalogue, c.Root, trustDir())
	if err != nil {
		return err
	}
	defer client.Close()
	index, err := client.Index(ctx)
	if err != nil {
		return err
	}
	answer := searchAnswer{index.Name, index.Search(c.Words...), []string{}}
	if len(answer.Recipes) == 0 {
		answer.Near = index.Near(c.Words...)
	}
	if s.json {
		err = s.printJSON(answer)
	} else if len(answer.Recipes) > 0 {
		err = s.table([]string{"NAME", "NEWEST", "CATEGORY", "DESCRIPTION"}, searchRows(answer.Recipes, s.width()))
	}
	switch {
	case err != nil || len(answer.Recipes) > 0:
		return err
	case s.json:
		return answered{fault.No}
	}
	return c.nothing(index, answer.Near)
}

func (c *catalogueSearchCmd) nothing(index *catalogue.Index, near []string) error {
	err := fault.New(fault.No, "none of the %d recipes of %s fits %q", len(index.Recipes), c.Catalogue, strings.Join(c.Words, " "))
	switch {
	case len(index.Recipes) == 0:
		return fault.New(fault.No, "%s has no recipes", c.Catalogue)
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
