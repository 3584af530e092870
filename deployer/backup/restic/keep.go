package restic

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"slices"
)

// forgetAtOnce bounds the arguments of one restic.
const forgetAtOnce = 500

// Forget removes snapshots, by ID. Their data stays until Prune.
func (r *Repository) Forget(ctx context.Context, ids []string) error {
	for some := range slices.Chunk(ids, forgetAtOnce) {
		if err := r.work(ctx, "removing snapshots", append([]string{"forget"}, some...)...); err != nil {
			return err
		}
	}
	return nil
}

// Prune removes data that no snapshot uses.
func (r *Repository) Prune(ctx context.Context) error {
	return r.work(ctx, "removing unused data", "prune")
}

// Check has restic check the repository's structure and, with data, everything that
// is stored. An Error of Damaged says that something is wrong.
func (r *Repository) Check(ctx context.Context, data bool) error {
	args := []string{"check"}
	if data {
		args = append(args, "--read-data")
	}
	return r.work(ctx, "checking the repository", args...)
}

// clock is the time that restic puts before a line of progress.
var clock = regexp.MustCompile(`^\[[\d:]+\]`)

// work makes a request that takes long and tells its progress in lines: one that
// says something else than the last, but for the time, is progress.
func (r *Repository) work(ctx context.Context, doing string, args ...string) error {
	return r.retry(ctx, func() error {
		return r.request(ctx, doing, r.patience(), func(c *child, out io.Reader) error {
			lines, last := bufio.NewScanner(out), ""
			for lines.Scan() {
				if said := clock.ReplaceAllString(lines.Text(), ""); said != last {
					last = said
					c.moved.Add(1)
				}
			}
			return lines.Err()
		}, args...)
	})
}
