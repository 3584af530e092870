package main

import (
	"context"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe/source"
)

type recipeCmd struct {
	Versions versionsCmd `cmd:"" help:"List a recipe's versions from its git tags."`
}

type versionsCmd struct {
	Repository string `arg:"" default:"." help:"A clone, a bare repository, or a git URL."`
}

func (versionsCmd) Help() string {
	return `Examples:
  galley recipe versions
  galley recipe versions https://git.example.org/recipes/matomo.git

A version is an annotated tag named <recipe version>+<app version>. Other tags
are listed with what is wrong with them. Exit code 1: a tag could not be read.`
}

// versionItem is one tag in the JSON answer.
type versionItem struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	Annotated bool   `json:"annotated"`
	Date      string `json:"date"`
	Tagger    string `json:"tagger"`
	Message   string `json:"message"`
	Problem   string `json:"problem"`
}

// Run lists the tags, oldest version first.
func (c *versionsCmd) Run(ctx context.Context, s *streams) error {
	repository, err := source.Open(ctx, c.Repository, source.Options{})
	if err != nil {
		return err
	}
	defer repository.Close()
	versions, err := repository.Versions(ctx)
	if err != nil {
		return err
	}
	items := []versionItem{}
	var rows [][]string
	unread := false
	for _, v := range versions {
		unread = unread || v.Err != nil
		item := versionItem{Version: v.Name, Commit: v.Commit, Annotated: v.Annotated, Tagger: v.Tagger.Name, Message: v.Message, Problem: versionProblem(v)}
		if !v.Date.IsZero() {
			item.Date = v.Date.UTC().Format("2006-01-02T15:04:05Z")
		}
		items = append(items, item)
		day, _, _ := strings.Cut(item.Date, "T")
		rows = append(rows, []string{v.Name, short(v.Commit), day, v.Tagger.Name, item.Problem})
	}
	switch {
	case s.json:
		err = s.printJSON(map[string]any{"versions": items})
	case len(rows) == 0:
		s.notef("galley: note: %q has no tags, so no versions\n", c.Repository)
	default:
		err = s.table([]string{"VERSION", "COMMIT", "DATE", "TAGGER", "PROBLEM"}, rows)
	}
	if err == nil && unread {
		return answered{fault.No}
	}
	return err
}

func versionProblem(v source.Version) string {
	switch {
	case v.Err != nil:
		return oneLine(v.Err.Error())
	case !v.Annotated:
		return "lightweight tag; expected an annotated one"
	}
	return ""
}

func short(hash string) string {
	if len(hash) > 10 {
		return hash[:10]
	}
	return hash
}
