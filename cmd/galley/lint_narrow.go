package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/rules"
)

// narrow gives what takes findings out of a result: those that were there at
// --since, and those of --baseline.
func (c *lintCmd) narrow(ctx context.Context, s *streams, targets []lint.Target, options lint.Options) (func(*lint.Result), error) {
	var steps []func(*lint.Result)
	if c.Since != "" {
		then, err := lint.At(ctx, targets, c.Since)
		if err != nil {
			return nil, err
		}
		before, err := lint.Run(ctx, then, rules.All(), options)
		if err != nil {
			return nil, err
		}
		steps = append(steps, func(r *lint.Result) { lint.Since(before, r) })
	}
	if c.Baseline != "" {
		baseline, err := readBaseline(c.Baseline)
		if err != nil {
			return nil, err
		}
		told := false
		steps = append(steps, func(r *lint.Result) {
			stale := baseline.Apply(r, filepath.Dir(c.Baseline))
			if len(stale) > 0 && !told {
				verb := "are"
				if len(stale) == 1 {
					verb = "is"
				}
				s.notef("galley: note: %d of the findings in %s %s gone; --write-baseline writes it anew\n", len(stale), c.Baseline, verb)
				told = true
			}
		})
	}
	return func(r *lint.Result) {
		for _, step := range steps {
			step(r)
		}
	}, nil
}

func readBaseline(name string) (*lint.Baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline: %w", err)
	}
	defer f.Close()
	baseline, err := lint.ReadBaseline(f)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
	}
	return baseline, nil
}

func (c *lintCmd) writeBaseline(s *streams, result *lint.Result) error {
	baseline := lint.NewBaseline(result, filepath.Dir(c.WriteBaseline))
	f, err := renameio.NewPendingFile(c.WriteBaseline, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	defer func() { _ = f.Cleanup() }()
	if err := lint.WriteBaseline(f, baseline); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	if s.json {
		return s.printJSON(map[string]any{"baseline": c.WriteBaseline, "findings": len(baseline.Entries)})
	}
	s.printf("%d findings written to %s\n", len(baseline.Entries), c.WriteBaseline)
	return nil
}

// fix applies the fixes and gives what is left, nil when the answer was the diff
// or the fixed file itself.
func (c *lintCmd) fix(ctx context.Context, s *streams, targets []lint.Target, options lint.Options, result *lint.Result, narrow func(*lint.Result)) (*lint.Result, error) {
	fixed, err := lint.ApplyFixes(ctx, targets, rules.All(), options, result, lint.FixOptions{Unsafe: c.Fix == "unsafe", Narrow: narrow})
	if err != nil {
		return nil, err
	}
	for _, a := range fixed.Abandoned {
		s.notef("galley: note: %s:%d: %s is not fixed: %s\n", a.Finding.File, a.Finding.Start.Line, a.Finding.Rule, oneLine(a.Reason))
	}
	if c.DryRun {
		for _, change := range fixed.Changes {
			s.printf("%s", change.Diff())
		}
		s.notef("galley: note: %d findings would be fixed in %d files\n", len(fixed.Fixed), len(fixed.Changes))
		return nil, nil
	}
	if c.Stdin {
		for _, change := range fixed.Changes {
			if _, err := s.out.Write(change.After); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	if err := fixed.Write(); err != nil {
		return nil, err
	}
	if len(fixed.Fixed) > 0 {
		s.notef("galley: note: %d findings fixed in %d files\n", len(fixed.Fixed), len(fixed.Changes))
	}
	return fixed.Result, nil
}
