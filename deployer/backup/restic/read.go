package restic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Snapshot is what a repository tells of one.
type Snapshot struct {
	ID    string    `json:"id"` // all 64 digits
	Time  time.Time `json:"time"`
	Host  string    `json:"hostname"`
	Paths []string  `json:"paths"`
	Tags  []string  `json:"tags"`
}

// Filter chooses snapshots: of the host, if set, that have all the tags.
type Filter struct {
	Host string
	Tags []string
}

// longestList bounds the JSON of all snapshots: about two hundred thousand.
const longestList = 128 << 20

// Snapshots lists what is stored, the oldest first. It takes no lock: a repository
// that is full, or cannot be written, can be looked at.
func (r *Repository) Snapshots(ctx context.Context, of Filter) ([]Snapshot, error) {
	args := []string{"snapshots", "--json", "--no-lock"}
	if of.Host != "" {
		args = append(args, "--host", of.Host)
	}
	if len(of.Tags) > 0 {
		args = append(args, "--tag", strings.Join(of.Tags, ","))
	}
	var all []Snapshot
	err := r.ask(ctx, "listing the snapshots", func(out io.Reader) error {
		if err := json.NewDecoder(io.LimitReader(out, longestList)).Decode(&all); err != nil && err != io.EOF {
			return fmt.Errorf("reading restic's list: %w", err)
		}
		return nil
	}, args...)
	return all, err
}

// Dump writes a file of a snapshot to w. Only with a nil error was all of it
// written: what came before an error is a part. In a repository that no lock can be
// written to, as it is full or read-only, it reads without one.
func (r *Repository) Dump(ctx context.Context, snapshot, file string, w io.Writer) error {
	counted := &counter{w: w}
	args := []string{"dump", snapshot, file}
	err := r.retry(ctx, func() error { return r.dump(ctx, counted, args) })
	if (Is(err, NoSpace) || Is(err, Denied)) && counted.n == 0 {
		return r.dump(ctx, counted, append(args, "--no-lock"))
	}
	return err
}

func (r *Repository) dump(ctx context.Context, w *counter, args []string) error {
	return r.request(ctx, fmt.Sprintf("reading %q of snapshot %s", args[2], args[1]), r.patience(), func(c *child, out io.Reader) error {
		w.moved = func(n int) { c.moved.Add(int64(n)) }
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, out, make([]byte, sliceBytes))
		return err
	}, args...)
}

// counter counts what was written through it.
type counter struct {
	w     io.Writer
	n     int64
	moved func(int)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.moved(n)
	return n, err
}

// ask makes a request with a short answer.
func (r *Repository) ask(ctx context.Context, doing string, read func(io.Reader) error, args ...string) error {
	return r.request(ctx, doing, r.patience()/askPart, func(_ *child, out io.Reader) error {
		if read == nil {
			return nil
		}
		return read(out)
	}, args...)
}

// request has restic do something that needs no input.
func (r *Repository) request(ctx context.Context, doing string, patience time.Duration, read func(*child, io.Reader) error, args ...string) error {
	var c *child
	known := make(chan struct{})
	c, err := r.start(ctx, patience, nil, func(out io.Reader) error { <-known; return read(c, out) }, args...)
	if err != nil {
		return err
	}
	close(known)
	if err := c.wait(); err != nil {
		return r.failed(doing, c, patience, err)
	}
	return nil
}
