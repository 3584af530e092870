//go:build linux

package carrier

import (
	"archive/tar"
	"bytes"
	"io"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// readAhead is the size in bytes from which on the kernel is told that a file will
// be read from its beginning to its end.
const readAhead = 128 << 10

// file packs a regular file.
func (p *packer) file(dirfd int, name, rel string) error {
	fd, err := openToRead(dirfd, name, 0)
	if err != nil {
		return openError(rel, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return pathError("stat", rel, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errChanged
	}
	if st.Size >= readAhead {
		_ = unix.Fadvise(fd, 0, 0, unix.FADV_SEQUENTIAL) // only advice
	}
	if st.Blocks*512 < st.Size {
		pieces, holes, err := extents(fd, st.Size)
		if err != nil {
			return pathError("find the holes of", rel, err)
		}
		if holes {
			return p.sparse(fd, rel, &st, pieces)
		}
	}
	return p.plain(fd, rel, &st)
}

func (p *packer) plain(fd int, rel string, st *unix.Stat_t) error {
	hdr := header(tar.TypeReg, rel, st)
	hdr.Size = st.Size
	if err := p.write(hdr, rel, attrs{fd: fd}); err != nil {
		return err
	}
	p.remember(rel, st)
	return p.piece(p.tw, fd, rel, extent{0, st.Size})
}

// sparse packs a file with holes: a header that says so, the map, the pieces.
// archive/tar writes the header, and what is behind it goes past it.
func (p *packer) sparse(fd int, rel string, st *unix.Stat_t, pieces []extent) error {
	list := sparseMap(pieces, st.Size)
	header, err := p.sparseHeader(fd, rel, st, int64(len(list))+total(pieces))
	if err != nil {
		return err
	}
	if err := p.tw.Flush(); err != nil { // ends the entry before
		return err
	}
	for _, part := range [][]byte{header, list} {
		if _, err := p.out.Write(part); err != nil {
			return err
		}
	}
	p.sum.Files++
	p.remember(rel, st)
	for _, e := range pieces {
		if err := p.piece(p.out, fd, rel, e); err != nil {
			return err
		}
	}
	_, err = p.out.Write(make([]byte, -total(pieces)&(block-1)))
	return err
}

// sparseHeader has the entry's true name and size in records, and beside them a
// name that tells whoever does not know the format what the file is.
func (p *packer) sparseHeader(fd int, rel string, st *unix.Stat_t, size int64) ([]byte, error) {
	hdr := header(tar.TypeReg, rel, st)
	records, err := p.records(rel, attrs{fd: fd})
	if err != nil {
		return nil, err
	}
	if records == nil {
		records = map[string]string{}
	}
	records[hiddenPrefix+"major"], records[hiddenPrefix+"minor"] = "1", "0"
	records[hiddenPrefix+"name"] = hdr.Name
	records[hiddenPrefix+"realsize"] = strconv.FormatInt(st.Size, 10)
	hdr.PAXRecords, hdr.Size = records, size
	hdr.Name = "./" + path.Join(path.Dir(rel), "GNUSparseFile.0", path.Base(rel))
	var written bytes.Buffer
	if err := tar.NewWriter(&written).WriteHeader(hdr); err != nil {
		return nil, p.told(rel, err)
	}
	showSparse(written.Bytes())
	return written.Bytes(), nil
}

func total(pieces []extent) (sum int64) {
	for _, e := range pieces {
		sum += e.len
	}
	return sum
}

// piece copies a piece of a file. What is not there any more is zeros: the header
// that promised it is on its way already.
func (p *packer) piece(w io.Writer, fd int, rel string, e extent) error {
	p.sum.Content += e.len
	for off, end := e.off, e.off+e.len; off < end; {
		if err := ended(p.ctx); err != nil {
			return err
		}
		buf := p.data[:min(end-off, chunk)]
		n, err := pread(fd, buf, off)
		if err != nil {
			return pathError("read", rel, err)
		}
		if n == 0 {
			p.sum.tell(rel, "it shrank by %d bytes while it was read; they are zeros in the backup", end-off)
			return p.zeros(w, end-off)
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func pread(fd int, buf []byte, off int64) (n int, err error) {
	err = retry(func() error {
		n, err = unix.Pread(fd, buf, off)
		return err
	})
	return n, err
}

func (p *packer) zeros(w io.Writer, n int64) error {
	clear(p.data)
	for n > 0 {
		if err := ended(p.ctx); err != nil {
			return err
		}
		written, err := w.Write(p.data[:min(n, chunk)])
		if err != nil {
			return err
		}
		n -= int64(written)
	}
	return nil
}
