//go:build linux

package carrier

import (
	"context"
	"io"
)

const (
	// chunk is how much is read or written at once: enough that neither a pipe nor
	// a disk waits for the next call.
	chunk = 1 << 17
	// chunks are under way between the file system and the stream.
	chunks = 4
)

// sink is the way out: what is written to it is hashed and written on by a
// goroutine, while the next chunk is being read from the disk.
type sink struct {
	ctx    context.Context
	stop   context.CancelFunc
	full   chan []byte
	free   chan []byte
	failed chan struct{} // closed with err set, or when all is written
	cur    []byte
	tally  tally
	err    error
}

func newSink(ctx context.Context, w io.Writer) *sink {
	s := &sink{tally: newTally(), cur: make([]byte, 0, chunk),
		full: make(chan []byte), free: make(chan []byte, chunks), failed: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(ctx)
	for range chunks - 1 {
		s.free <- make([]byte, 0, chunk)
	}
	go s.drain(w)
	return s
}

// drain ends when full is closed, w fails, or ctx ends; a Write that blocks is
// left to end by itself.
func (s *sink) drain(w io.Writer) {
	defer close(s.failed)
	for {
		select {
		case buf, more := <-s.full:
			if !more {
				return
			}
			if _, s.err = w.Write(buf); s.err != nil {
				return
			}
			s.tally.add(buf)
			s.free <- buf[:0]
		case <-s.ctx.Done():
			s.err = context.Cause(s.ctx)
			return
		}
	}
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n := copy(s.cur[len(s.cur):cap(s.cur)], p[written:])
		s.cur = s.cur[:len(s.cur)+n]
		written += n
		if len(s.cur) == cap(s.cur) {
			if err := s.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (s *sink) flush() error {
	select {
	case s.full <- s.cur:
	case <-s.failed:
		return s.err
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	select {
	case s.cur = <-s.free:
		return nil
	case <-s.failed:
		return s.err
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// close writes what is left and waits until everything is out.
func (s *sink) close() error {
	if len(s.cur) > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	close(s.full)
	select {
	case <-s.failed:
		return s.err
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// source is the way in: a goroutine reads and hashes ahead of whoever writes to
// the disk.
type source struct {
	ctx  context.Context
	stop context.CancelFunc
	full chan []byte // closed at the end of the stream, with err set
	free chan []byte
	cur  []byte // what is left of held
	held []byte

	tally tally
	err   error
}

func newSource(ctx context.Context, r io.Reader) *source {
	s := &source{tally: newTally(), full: make(chan []byte, chunks), free: make(chan []byte, chunks)}
	s.ctx, s.stop = context.WithCancel(ctx)
	for range chunks {
		s.free <- make([]byte, chunk)
	}
	go s.fill(r)
	return s
}

// fill ends with the stream or with ctx; a Read that blocks is left to end by
// itself.
func (s *source) fill(r io.Reader) {
	defer close(s.full)
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.ctx.Done():
			s.err = context.Cause(s.ctx)
			return
		}
		n, err := fillUp(r, buf[:chunk])
		s.tally.add(buf[:n])
		if n > 0 {
			s.full <- buf[:n] // has room for every buffer there is
		}
		if err != nil {
			s.err = err
			return
		}
	}
}

// fillUp reads until buf is full, and keeps r's own error: io.ReadFull would make
// its end and its io.ErrUnexpectedEOF the same.
func fillUp(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = r.Read(buf[n:])
		n += more
	}
	return n, err
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if len(s.cur) == 0 {
		if s.held != nil {
			s.free <- s.held
			s.held = nil
		}
		select {
		case buf, more := <-s.full:
			if !more {
				return 0, s.err
			}
			s.held, s.cur = buf, buf
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		}
	}
	n := copy(p, s.cur)
	s.cur = s.cur[n:]
	return n, nil
}
