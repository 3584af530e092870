package restic

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// StoreOptions say under which name a stream is stored.
type StoreOptions struct {
	File string    // its path in the snapshot, absolute
	Host string    // whose it is
	Tags []string  // none holds a comma
	Time time.Time // of the snapshot, in whole seconds; now when zero
}

// Stored is what restic made of a stream.
type Stored struct {
	Snapshot string // its ID: the first eight digits of it from versions before 0.16
	Bytes    int64  // of the stream
}

// sourceGrace is how long a source has to notice that nobody takes what it writes.
const sourceGrace = 10 * time.Second

// Store makes a snapshot of what source writes. source runs once, in a goroutine of
// its own; its writes wait for restic, and fail when restic has ended. It is stored
// only when source returned nil and wrote something: otherwise, and when it panics (which Store does
// then, too) or ctx ends, restic is ended before its input is. A repository that is
// locked is tried again, for as long as LockWait.
func (r *Repository) Store(ctx context.Context, o StoreOptions, source func(w io.Writer) error) (Stored, error) {
	args, err := o.args()
	if err != nil {
		return Stored{}, err
	}
	if err := r.ready(ctx); err != nil { // before the source does its work
		return Stored{}, err
	}
	f := newFeed(source)
	defer f.leave()
	try := lockTry{r: r}
	for {
		stored, err := r.storeOnce(ctx, o, f, args)
		if err == nil || !f.repeatable() || !try.again(ctx, err) {
			return stored, err
		}
	}
}

// something refuses an empty stream: restic takes it for a file that cannot be read,
// and makes a snapshot without it.
func (f *feed) something() error {
	if f.given == 0 {
		return errors.New("there is nothing to store")
	}
	return nil
}

// leave ends the source's writes and waits for it, but not for ever: it may be
// waiting for something else.
func (f *feed) leave() {
	close(f.gone)
	grace := time.NewTimer(sourceGrace)
	defer grace.Stop()
	select {
	case <-f.ended:
		if f.panicked != nil {
			panic(f.panicked)
		}
	case <-grace.C:
	}
}

func (o StoreOptions) args() ([]string, error) {
	args := []string{"backup", "--json", "--stdin", "--stdin-filename", o.File}
	if !strings.HasPrefix(o.File, "/") {
		return nil, fmt.Errorf("storing %q: its name must be absolute", o.File)
	}
	if o.Host != "" {
		args = append(args, "--host", o.Host)
	}
	for _, tag := range o.Tags {
		if strings.Contains(tag, ",") || tag == "" {
			return nil, fmt.Errorf("storing %q: a tag is not empty and has no comma, %q", o.File, tag)
		}
		args = append(args, "--tag", tag)
	}
	if !o.Time.IsZero() {
		args = append(args, "--time", o.Time.UTC().Format(time.DateTime))
	}
	return args, nil
}

// storeOnce is one try with one restic.
func (r *Repository) storeOnce(ctx context.Context, o StoreOptions, f *feed, args []string) (stored Stored, err error) {
	in, err := newConduit()
	if err != nil {
		return stored, err
	}
	defer in.ours.Close() // after restic's end
	var told summary
	c, err := r.start(ctx, r.patience(), in, told.read, args...)
	_ = in.theirs.Close() // restic has its own
	if err != nil {
		return stored, err
	}
	doing := fmt.Sprintf("storing %q", o.File)
	switch err = cmp.Or(f.pour(c, in.ours), ctx.Err(), f.something()); {
	case err == errGone, err == errIdle: // it ends by itself, or was ended
		idle := err == errIdle
		err = cmp.Or(c.wait(), err)
		if idle && errors.Is(err, errStalled) {
			return stored, &Error{Stalled, fmt.Sprintf("%s: nothing came to be stored for %v", doing, r.patience()), err}
		}
	case err != nil:
		c.end(err)
		_ = c.wait()
		return stored, fmt.Errorf("%s: %w", doing, err)
	default:
		err = in.finish()
		if err != nil {
			c.end(err)
		}
		err = cmp.Or(c.wait(), err)
	}
	if err != nil {
		return stored, r.failed(doing, c, r.patience(), err)
	}
	return told.check(doing, f.given)
}

// summary is the last of the JSON lines of restic backup.
type summary struct {
	Type     string `json:"message_type"`
	Bytes    *int64 `json:"total_bytes_processed"`
	Snapshot string `json:"snapshot_id"`
}

// longestLine bounds a line of restic's that is kept.
const longestLine = 1 << 20

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var line summary
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Type == "summary" {
			*s = line
		}
	}
	return lines.Err()
}

// check compares restic's count with ours.
func (s *summary) check(doing string, given int64) (Stored, error) {
	switch {
	case s.Snapshot == "" || s.Bytes == nil:
		return Stored{}, fmt.Errorf("%s: restic ended well and named no snapshot", doing)
	case *s.Bytes != given:
		return Stored{}, &Error{Damaged, fmt.Sprintf("%s: restic stored %d bytes of %d in snapshot %s", doing, *s.Bytes, given, s.Snapshot), nil}
	}
	return Stored{Snapshot: s.Snapshot, Bytes: given}, nil
}
