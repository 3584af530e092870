//go:build linux

package carrier

import (
	"archive/tar"
	"context"
	"errors"
	"io"

	"github.com/galley-coop/galley/internal/fault"
)

// ahead reads entries from a tar stream in a goroutine of its own, while those
// before are being written: with many small files, taking the headers apart costs
// a fourth of the time.
type ahead struct {
	ctx   context.Context
	full  chan *batch // closed after the batch with the error
	free  chan *batch
	batch *batch // being taken apart
	part  int    // its next part
	off   int    // where the data of that part begins
	data  []byte // what is left of the current part
}

// batch is a run of entries, or a piece of a large one.
type batch struct {
	parts []part
	data  []byte
	err   error // behind the parts; io.EOF when the stream is whole and at its end
}

// part begins an entry, or, without a header, goes on with one.
type part struct {
	hdr  *tar.Header
	size int
}

const (
	batches = 4
	// maxParts bounds the headers in a batch: entries may have no data.
	maxParts = 256
	// maxZeros bounds a file whose holes archive/tar reads as zeros, in bytes: a few
	// bytes of a hostile stream would keep it busy for years.
	maxZeros = 1 << 40
)

var errTruncated = fault.New(fault.Unavailable, "the stream ends too early: it is not whole")

// streamError tells a stream that is cut from one that cannot be read on.
func streamError(doing string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return fault.New(fault.KindOf(err), "%s: %w", doing, err)
}

func newAhead(ctx context.Context, r io.Reader) *ahead {
	a := &ahead{ctx: ctx, full: make(chan *batch, batches), free: make(chan *batch, batches)}
	for range batches {
		a.free <- &batch{data: make([]byte, 0, chunk)}
	}
	go a.fill(r)
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.full)
	in := &headers{r: r}
	f := filler{in: in, tr: tar.NewReader(in)}
	for {
		select {
		case f.batch = <-a.free:
		case <-a.ctx.Done():
			return
		}
		f.batch.parts, f.batch.data, f.batch.err = f.batch.parts[:0], f.batch.data[:0], nil
		f.batch.err = f.fill()
		a.full <- f.batch // has room for every batch there is
		if f.batch.err != nil {
			return
		}
	}
}

// filler is the stream's side.
type filler struct {
	in    *headers
	tr    *tar.Reader
	batch *batch
	name  string // the entry that goes on in the next batch, "" for none
}

// fill fills one batch.
func (f *filler) fill() error {
	b := f.batch
	for len(b.data) < cap(b.data) && len(b.parts) < maxParts {
		if f.name == "" {
			hdr, err := f.header()
			if err != nil {
				return err
			}
			f.name = hdr.Name
			b.parts = append(b.parts, part{hdr: hdr})
		} else {
			b.parts = append(b.parts, part{})
		}
		n, err := fillUp(f.tr, b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		b.parts[len(b.parts)-1].size = n
		if err == io.EOF {
			f.name = ""
			continue
		}
		if err != nil {
			return streamError("reading "+f.name, err)
		}
	}
	return nil
}

func (f *filler) header() (*tar.Header, error) {
	for {
		f.in.expectHeader()
		hdr, err := f.tr.Next()
		if err == io.EOF && f.in.zeros < 2 {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case err == io.EOF:
			return nil, err
		case err != nil:
			return nil, streamError("reading the stream", err)
		case hasHoles(hdr) && hdr.Size > maxZeros:
			return nil, fault.Hint(fault.New(fault.Refused, "entry %q has %d bytes in an old format of sparse files", hdr.Name, hdr.Size),
				"GNU tar writes the one that is read piece by piece with --sparse-version=1.0")
		case hdr.Typeflag != tar.TypeXGlobalHeader: // a comment, as of git archive
			return hdr, nil
		}
	}
}

// next is the next entry, io.EOF behind the last. What was not read of the one
// before is left out.
func (a *ahead) next() (*tar.Header, error) {
	for {
		p, err := a.peek()
		if err != nil {
			return nil, err
		}
		a.take(p)
		if p.hdr != nil {
			return p.hdr, nil
		}
	}
}

// peek is the part behind the current one.
func (a *ahead) peek() (part, error) {
	for a.batch == nil || a.part == len(a.batch.parts) {
		if a.batch != nil {
			if a.batch.err != nil {
				return part{}, a.batch.err
			}
			a.free <- a.batch
			a.batch = nil
		}
		select {
		case b, more := <-a.full:
			if !more {
				return part{}, context.Cause(a.ctx)
			}
			a.batch, a.part, a.off = b, 0, 0
		case <-a.ctx.Done():
			return part{}, context.Cause(a.ctx)
		}
	}
	return a.batch.parts[a.part], nil
}

func (a *ahead) take(p part) {
	a.part++
	a.data = a.batch.data[a.off : a.off+p.size]
	a.off += p.size
}

// some is what is there of the entry's data, at most n bytes and at least one,
// until the next call; io.EOF at its end.
func (a *ahead) some(n int64) ([]byte, error) {
	for len(a.data) == 0 {
		p, err := a.peek()
		if err != nil {
			return nil, err
		}
		if p.hdr != nil {
			return nil, io.EOF
		}
		a.take(p)
	}
	n = min(n, int64(len(a.data)))
	data := a.data[:n]
	a.data = a.data[n:]
	return data, nil
}

// Read implements io.Reader, for the data of one entry.
func (a *ahead) Read(p []byte) (int, error) {
	data, err := a.some(int64(len(p)))
	return copy(p, data), err
}
