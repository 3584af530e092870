//go:build linux

package carrier

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// archive/tar writes no sparse files: its Writer drops records that begin with
// "GNU.sparse.", and its Reader expands holes to zeros, a terabyte of them if
// need be. Both let other records through. So the records go by another name of
// the same length on their way through archive/tar, in both directions, and the
// map of the holes is written and read here. A PAX header's checksum covers its
// first block only, not the records behind it, and their order means nothing.
const (
	sparsePrefix = "GNU.sparse."
	hiddenPrefix = "gnu.sparse."
)

// renameRecords renames in place, in the body of a PAX header, the records that
// begin with from, and tells whether there were any. A record is
// "<length> <key>=<value>\n"; what is not stays for archive/tar to judge.
func renameRecords(body []byte, from, to string) bool {
	renamed := false
	for rest := body; len(rest) > 0; {
		number, _, found := bytes.Cut(rest, []byte(" "))
		n, err := strconv.Atoi(string(number))
		if !found || err != nil || n <= len(number) || n > len(rest) {
			break
		}
		if record := rest[len(number)+1 : n]; bytes.HasPrefix(record, []byte(from)) {
			copy(record, to)
			renamed = true
		}
		rest = rest[n:]
	}
	return renamed
}

// showSparse gives the records of a header that archive/tar wrote their own
// name: block, body in whole blocks, block of the file.
func showSparse(header []byte) {
	renameRecords(header[block:len(header)-block], hiddenPrefix, sparsePrefix)
}

// headers stands between a stream and archive/tar's Reader. It looks at headers
// only: while at is set, the Reader asks for nothing else.
type headers struct {
	r    io.Reader
	pos  int64
	at   bool   // the next whole block is a header
	kept []byte // read, and not yet asked for
	// zeros counts the blocks of zeros at the end. A stream that was cut between
	// two entries has none, and the Reader would not mind.
	zeros int
}

// maxRecords is what archive/tar reads of a PAX header at most, in bytes.
const maxRecords = 1 << 20

// expectHeader is called when an entry's data was read to its end.
func (h *headers) expectHeader() { h.at, h.zeros = true, 0 }

// Read implements io.Reader.
func (h *headers) Read(p []byte) (int, error) {
	if len(h.kept) > 0 {
		n := copy(p, h.kept)
		h.kept = h.kept[n:]
		return n, nil
	}
	if pad := -h.pos & (block - 1); h.at && pad == 0 {
		if err := h.header(); err != nil {
			return 0, err
		}
		return h.Read(p)
	} else if h.at {
		p = p[:min(int64(len(p)), pad)]
	}
	n, err := h.r.Read(p)
	h.pos += int64(n)
	return n, err
}

// header reads one block, and the body behind it when it is a PAX header.
func (h *headers) header() error {
	if err := h.keep(block); err != nil {
		return err
	}
	typeflag := h.kept[156]
	size, err := strconv.ParseInt(strings.Trim(string(h.kept[124:136]), " \x00"), 8, 64)
	switch {
	case bytes.Count(h.kept, []byte{0}) == block:
		h.zeros++
	case typeflag != 'x' && typeflag != 'g' && typeflag != 'L' && typeflag != 'K' || err != nil || size < 0 || size > maxRecords:
		h.at = false // a file's own header, or what the Reader refuses
	default:
		if err := h.keep((size + block - 1) &^ (block - 1)); err != nil {
			return err
		}
		if body := h.kept[block : block+size]; typeflag == 'x' && bytes.Contains(body, []byte(sparsePrefix+"major=1\n")) {
			renameRecords(body, sparsePrefix, hiddenPrefix)
		}
	}
	return nil
}

// keep reads n bytes more.
func (h *headers) keep(n int64) error {
	start := len(h.kept)
	h.kept = append(h.kept, make([]byte, n)...)
	read, err := io.ReadFull(h.r, h.kept[start:])
	h.pos += int64(read)
	if err == io.EOF && start > 0 {
		err = io.ErrUnexpectedEOF
	}
	h.kept = h.kept[:start+read]
	if err != nil {
		h.kept = nil
	}
	return err
}
