//go:build linux

package carrier

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// extent is a piece of a file that holds data.
type extent struct{ off, len int64 }

const (
	// maxExtents bounds a file's map in memory and in the stream, where archive/tar
	// and others read no more than 1 MiB of it. The smallest holes of a file with
	// more pieces are carried as zeros.
	maxExtents = 16384
	// maxForeignExtents bounds a map that somebody else wrote.
	maxForeignExtents = 1 << 20
	// smallestHole is where leaving out small holes begins, in bytes.
	smallestHole = 64 << 10
	block        = 512 // of a tar stream
)

// extents finds a file's data, and whether there are holes beside it.
func extents(fd int, size int64) (found []extent, holes bool, err error) {
	var least int64 // holes shorter than this are taken for data
	for off := int64(0); off < size; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if err == unix.ENXIO { // no data behind
			break
		}
		if err == unix.EINVAL && off == 0 { // a file system that knows no holes
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err == unix.ENXIO { // it shrank
			break
		}
		if err != nil {
			return nil, false, err
		}
		if data >= size {
			break
		}
		off = min(hole, size)
		found = join(found, extent{data, off - data}, least)
		if len(found) > maxExtents {
			least = max(2*least, smallestHole)
			found = joinAll(found, least)
		}
	}
	return found, len(found) != 1 || found[0] != extent{0, size}, nil
}

// join adds a piece, to the last one when less than least bytes are between.
func join(list []extent, e extent, least int64) []extent {
	if last := len(list) - 1; last >= 0 && e.off-(list[last].off+list[last].len) < max(least, 1) {
		list[last].len = e.off + e.len - list[last].off
		return list
	}
	return append(list, e)
}

func joinAll(list []extent, least int64) []extent {
	joined := list[:0]
	for _, e := range list {
		joined = join(joined, e, least)
	}
	return joined
}

// sparseMap is what stands before the data in GNU's sparse format 1.0 (the tar
// manual, "Storing Sparse Files"): decimal numbers, a line each, in whole blocks.
// A file that ends with a hole has an empty piece at its end, from which GNU tar
// takes how far to extend it.
func sparseMap(list []extent, size int64) []byte {
	if n := len(list); n == 0 || list[n-1].off+list[n-1].len < size {
		list = append(list[:n:n], extent{size, 0})
	}
	text := fmt.Appendf(nil, "%d\n", len(list))
	for _, e := range list {
		text = strconv.AppendInt(text, e.off, 10)
		text = append(text, '\n')
		text = strconv.AppendInt(text, e.len, 10)
		text = append(text, '\n')
	}
	return append(text, make([]byte, -len(text)&(block-1))...)
}

// readSparseMap reads a map from the front of an entry and checks it: pieces in
// order, none over another, none behind size.
func readSparseMap(r io.Reader, size int64) ([]extent, error) {
	m := mapReader{r: r}
	count := m.number()
	if m.err == nil && count > maxForeignExtents {
		return nil, fmt.Errorf("it has %d pieces, more than %d", count, maxForeignExtents)
	}
	var list []extent
	var end int64
	for range count {
		e := extent{m.number(), m.number()}
		if m.err != nil {
			return nil, m.err
		}
		if e.off < end || e.len > size-e.off {
			return nil, fmt.Errorf("its piece of %d bytes at %d is not inside its %d bytes", e.len, e.off, size)
		}
		end = e.off + e.len
		list = append(list, e)
	}
	return list, m.err
}

// mapReader reads numbers from whole blocks.
type mapReader struct {
	r    io.Reader
	buf  [block]byte
	left []byte
	err  error
}

func (m *mapReader) number() int64 {
	var digits []byte
	for m.err == nil && len(digits) < 20 {
		end := bytes.IndexByte(m.left, '\n')
		if end >= 0 {
			digits, m.left = append(digits, m.left[:end]...), m.left[end+1:]
			break
		}
		digits = append(digits, m.left...)
		if _, m.err = io.ReadFull(m.r, m.buf[:]); m.err == nil {
			m.left = m.buf[:]
		}
	}
	if m.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil {
		m.err = fmt.Errorf("%q in its map is not a number", digits)
	}
	return int64(n)
}
