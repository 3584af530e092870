//go:build linux

package carrier

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/fault"
)

// Copy carries everything in the folder from into the folder to, over what is
// there, checks that what arrived is what was sent, and returns when it is on the
// disk: what a copy is made for may be to overwrite the other.
func Copy(ctx context.Context, from, to string) (Summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	type result struct {
		sum Summary
		err error
	}
	packed := make(chan result, 1)
	go func() {
		sum, err := Pack(ctx, from, nil, w)
		w.CloseWithError(err)
		packed <- result{sum, err}
	}()
	arrived, err := Unpack(ctx, to, r)
	r.CloseWithError(errors.New("nobody reads on")) // ends a Pack that still writes
	sent := <-packed
	if sent.err != nil && (err == nil || errors.Is(err, sent.err)) {
		err = sent.err
	}
	if err != nil {
		return Summary{}, err
	}
	if arrived.SHA256 != sent.sum.SHA256 || arrived.Files != sent.sum.Files || arrived.Content != sent.sum.Content {
		return Summary{}, fault.New(fault.Unavailable, "%d files of %d bytes were sent, and %d of %d arrived",
			sent.sum.Files, sent.sum.Content, arrived.Files, arrived.Content)
	}
	if err := flush(to); err != nil {
		return Summary{}, err
	}
	room := min(len(sent.sum.Skipped), maxTold-len(arrived.Skipped))
	arrived.Skipped = append(arrived.Skipped, sent.sum.Skipped[:room]...)
	arrived.SkippedCount += sent.sum.SkippedCount
	return arrived, nil
}

// flush waits until the file system of root has everything on its disk. That is
// where a disk that fails, or is full after all, tells so.
func flush(root string) error {
	fd, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return pathError("flush", root, err)
	}
	return nil
}
