package deployer

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/galley-coop/galley/deployer/shortcut"
)

// carried are a helper's streams.
type carried struct {
	attached types.HijackedResponse
	short    *shortcut.Shortcut // nil for none
	options  CarryOptions
}

// Close ends what is under way.
func (s *carried) Close() {
	s.attached.Close()
	if s.short != nil {
		s.short.Close()
	}
}

// pass copies what goes in and what comes out, until the helper's end. What goes in may
// fail when it has ended: its exit code tells then.
func (s *carried) pass() error {
	var in sync.WaitGroup
	var inErr error
	if s.options.Stdin != nil {
		in.Go(func() { inErr = s.feed() })
	}
	err := s.output(orDiscard(s.options.Stdout), orDiscard(s.options.Log))
	if err != nil {
		s.Close()
	}
	if closer, ok := s.options.Stdin.(io.Closer); ok {
		_ = closer.Close() // nobody reads it any more
	}
	in.Wait()
	return cmp.Or(inErr, err)
}

// feed gives the helper its input, and is the source's error.
func (s *carried) feed() error {
	to := s.input()
	read := &readError{inner: s.options.Stdin}
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, read, make([]byte, 1<<20))
	if read.err != nil {
		s.Close() // half of it must not look like the whole
		return read.err
	}
	_ = to.CloseWrite()
	_ = s.attached.CloseWrite() // nor is there more to come on a way that was not taken
	return nil
}

// comesWithin is how long a helper may take to come to the shortcut for its input. One
// that does not come waits for it on the usual way.
const comesWithin = 10 * time.Second

// inlet is one end of a helper's input.
type inlet interface {
	io.Writer
	CloseWrite() error
}

func (s *carried) input() inlet {
	if s.short != nil && s.options.Stdout == nil {
		late := time.AfterFunc(comesWithin, s.short.NobodyElse)
		defer late.Stop()
		if conn := s.short.Meet(); conn != nil {
			return conn
		}
	}
	return (*attachedInput)(&s.attached)
}

// attachedInput is the input that an engine hands on.
type attachedInput types.HijackedResponse

// Write implements io.Writer.
func (a *attachedInput) Write(p []byte) (int, error) { return a.Conn.Write(p) }

// CloseWrite ends the input.
func (a *attachedInput) CloseWrite() error { return (*types.HijackedResponse)(a).CloseWrite() }

// output copies what the helper writes until its end, by whichever way it chose.
func (s *carried) output(stdout, log io.Writer) error {
	one := &oneWay{w: stdout}
	received := make(chan error, 1)
	if s.short == nil || s.options.Stdout == nil {
		received <- nil
	} else {
		go func() {
			err := s.short.Receive(one.by("the shortcut"))
			if err != nil {
				s.Close()
			}
			received <- err
		}()
	}
	// An engine sends 32 kB at a time, and what takes them may be a process away.
	usual := bufio.NewWriterSize(one.by("the engine"), 256<<10)
	_, err := stdcopy.StdCopy(usual, log, s.attached.Reader)
	if err == nil {
		err = usual.Flush()
	}
	switch {
	case err != nil:
		s.Close()
	case s.short != nil:
		s.short.NobodyElse() // it has ended
	}
	return cmp.Or(<-received, err)
}

// oneWay is a writer with several ways to it, of which one is taken.
type oneWay struct {
	w     io.Writer
	mutex sync.Mutex
	taken string
}

func (o *oneWay) by(way string) io.Writer { return &wayOut{o, way} }

type wayOut struct {
	to  *oneWay
	way string
}

// Write implements io.Writer.
func (w *wayOut) Write(p []byte) (int, error) {
	w.to.mutex.Lock()
	defer w.to.mutex.Unlock()
	if w.to.taken = cmp.Or(w.to.taken, w.way); w.to.taken != w.way {
		return 0, fmt.Errorf("output came by %s, and then by %s", w.to.taken, w.way)
	}
	return w.to.w.Write(p)
}

// readError keeps what a reader failed with.
type readError struct {
	inner io.Reader
	err   error
}

func (r *readError) Read(p []byte) (int, error) {
	n, err := r.inner.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		r.err = err
	}
	return n, err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
