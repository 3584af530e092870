package main

import (
	"context"
	"slices"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/rules"
)

// rebuildAll is the name that stands for every recipe.
const rebuildAll = "all"

// rebuild makes the chosen versions of a catalogue that verified again.
func (c *catalogueVerifyCmd) rebuild(ctx context.Context, s *streams, v *catalogue.Verification, root []byte) error {
	config, err := catalogue.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	options := catalogue.RebuildOptions{
		Names: c.Rebuild, Rules: rules.All(), CacheDir: cacheDir("git"),
		Progress: func(done, total int) { s.status("rebuilt %d of %d recipes", done, total) },
	}
	if slices.Contains(c.Rebuild, rebuildAll) {
		options.Names = nil
	}
	client, err := catalogue.Open(ctx, c.Location, catalogue.ClientOptions{Root: root})
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := catalogue.Rebuild(ctx, client, config, options)
	s.status("")
	if err != nil {
		return err
	}
	if s.json {
		return s.answerRebuilt(v, r)
	}
	s.printVerified(c.shown(v), v)
	s.printRebuilt(r)
	switch {
	case r.Different > 0:
		err := fault.New(fault.Refused, "%s published that the sources do not give", count(r.Different, "version"))
		return fault.Hint(err, "compare the source's tag with the published commit, and ask who published it")
	case r.Unknown > 0:
		err := fault.New(fault.Unavailable, "%s could not be made again", count(r.Unknown, "version"))
		return fault.Hint(err, "see the reasons above")
	}
	return nil
}

func (s *streams) answerRebuilt(v *catalogue.Verification, r *catalogue.Rebuilding) error {
	err := s.printJSON(struct {
		*catalogue.Verification
		Rebuild *catalogue.Rebuilding `json:"rebuild"`
	}{v, r})
	switch {
	case err != nil:
		return err
	case r.Different > 0:
		return answered{fault.Refused}
	case r.Unknown > 0:
		return answered{fault.Unavailable}
	}
	return nil
}

func (s *streams) printVerified(location string, v *catalogue.Verification) {
	s.printf("%s: %s, %d bytes, all as signed\n", location, count(v.Checked, "file"), v.Bytes)
}

// printRebuilt names what differs, field by field.
func (s *streams) printRebuilt(r *catalogue.Rebuilding) {
	for _, e := range r.Entries {
		s.printf("%s: %s@%s\n", e.State, e.Recipe, e.Version)
		if e.Reason != "" {
			s.printf("  %s\n", oneLine(e.Reason))
		}
		for _, d := range e.Differences {
			s.printf("  %s\n    published %q\n    rebuilt   %q\n", oneLine(d.Field), d.Published, d.Rebuilt)
		}
		for _, note := range e.Notes {
			s.printf("  note: %s\n", oneLine(note))
		}
	}
	s.printf("%d as the sources give them, %d different, %d not known\n", r.Equal, r.Different, r.Unknown)
}
