package restic

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
)

const (
	// conduitBytes bounds what is on its way into restic.
	conduitBytes = 1 << 20
	// sliceBytes is how much is written into it at a time.
	sliceBytes = 128 << 10
)

// feed is between the source of a stream and restic. The source runs once, whatever
// becomes of restic: what a restic that ended without reading was given is kept and
// given to the next one.
type feed struct {
	chunks chan []byte   // what the source writes
	taken  chan struct{} // that it may go on
	gone   chan struct{} // closed when nobody takes any more
	ended  chan struct{} // closed when the source is done

	err      error // of the source, once ended is closed
	panicked any

	early []byte // what was given so far, while it is little
	given int64  // bytes given in all
}

var (
	errGone = errors.New("restic has ended")
	// errIdle is errGone while nothing came from the source.
	errIdle = fmt.Errorf("%w", errGone)
)

// newFeed starts the source.
func newFeed(source func(io.Writer) error) *feed {
	f := &feed{chunks: make(chan []byte), taken: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		defer func() {
			if cause := recover(); cause != nil {
				f.panicked, f.err = cause, fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			}
		}()
		f.err = errors.New("the source ended without a word") // runtime.Goexit
		f.err = source(f)
	}()
	return f
}

// Write hands p over and waits until it was used.
func (f *feed) Write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		part := p[:min(len(p), sliceBytes)]
		select {
		case f.chunks <- part:
		case <-f.gone:
			return done, errGone
		}
		select {
		case <-f.taken:
		case <-f.gone:
			return done, errGone
		}
		done, p = done+len(part), p[len(part):]
	}
	return done, nil
}

// remember keeps what was given, as long as a restic may have read nothing of it.
func (f *feed) remember(part []byte) {
	if f.repeatable() {
		f.early = append(f.early, part...)
	}
	f.given += int64(len(part))
	if !f.repeatable() {
		f.early = nil
	}
}

// repeatable tells that all that was given is still here.
func (f *feed) repeatable() bool { return f.given <= conduitBytes+sliceBytes }

// pour gives restic what the source writes, until the source is done, which is nil,
// or restic is.
func (f *feed) pour(c *child, w io.Writer) error {
	if len(f.early) > 0 {
		if _, err := w.Write(f.early); err != nil {
			return errGone
		}
	}
	for {
		select {
		case part := <-f.chunks:
			f.remember(part)
			n, err := w.Write(part)
			c.moved.Add(int64(n))
			f.taken <- struct{}{}
			if err != nil {
				return errGone
			}
		case <-f.ended:
			return f.err
		case <-c.exited:
			return errIdle
		}
	}
}
