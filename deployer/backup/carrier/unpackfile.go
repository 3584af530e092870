//go:build linux

package carrier

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/fault"
)

// file unpacks a regular file.
func (u *unpacker) file(t target, hdr *tar.Header, sparse bool) error {
	var fd int
	err := t.make(func() (err error) {
		fd, err = openat(t.dirfd, t.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	if err := u.fillIn(fd, t, hdr, sparse); err != nil {
		unix.Close(fd)
		return err
	}
	if err := unix.Close(fd); err != nil { // where NFS tells that it is full
		return pathError("close", t.rel, err)
	}
	return nil
}

// fillIn writes the data and gives the file what else it has.
func (u *unpacker) fillIn(fd int, t target, hdr *tar.Header, sparse bool) (err error) {
	switch {
	case sparse:
		err = u.pieces(fd, t.rel, hdr)
	case hasHoles(hdr):
		err = u.zeros(fd, t.rel, hdr.Size)
	default:
		err = u.copy(fd, t.rel, 0, hdr.Size)
	}
	if err != nil {
		return err
	}
	return u.dress(t, attrs{fd: fd}, hdr)
}

// hasHoles tells the older ways to write a sparse file, which archive/tar reads.
func hasHoles(hdr *tar.Header) bool {
	_, pax := hdr.PAXRecords[sparsePrefix+"realsize"]
	_, old := hdr.PAXRecords[sparsePrefix+"size"]
	return hdr.Typeflag == tar.TypeGNUSparse || pax || old
}

// copy writes n bytes of the entry to the file from off on.
func (u *unpacker) copy(fd int, rel string, off, n int64) error {
	for n > 0 {
		if err := ended(u.ctx); err != nil {
			return err
		}
		buf, err := u.in.some(n)
		if err != nil {
			return dataError(err)
		}
		if err := pwrite(fd, buf, off); err != nil {
			return pathError("write", rel, err)
		}
		u.sum.Content += int64(len(buf))
		off, n = off+int64(len(buf)), n-int64(len(buf))
	}
	return nil
}

// dataError is an error inside of an entry, where no end is expected.
func dataError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

func pwrite(fd int, buf []byte, off int64) error {
	for len(buf) > 0 {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Pwrite(fd, buf, off)
			return err
		})
		if err != nil {
			return err
		}
		buf, off = buf[n:], off+int64(n)
	}
	return nil
}

// pieces unpacks GNU's sparse format 1.0, see paxsparse.go.
func (u *unpacker) pieces(fd int, rel string, hdr *tar.Header) error {
	size, err := strconv.ParseInt(hdr.PAXRecords[hiddenPrefix+"realsize"], 10, 64)
	if err != nil || size < 0 {
		return fault.New(fault.Refused, "entry %q has no size", rel)
	}
	list, err := readSparseMap(u.in, size)
	if err = dataError(err); errors.Is(err, errTruncated) {
		return err
	}
	if err != nil {
		return fault.New(fault.Refused, "entry %q: %w", rel, err)
	}
	for _, e := range list {
		if err := u.copy(fd, rel, e.off, e.len); err != nil {
			return err
		}
	}
	return truncate(fd, rel, size)
}

func truncate(fd int, rel string, size int64) error {
	if err := retry(func() error { return unix.Ftruncate(fd, size) }); err != nil {
		return pathError("extend", rel, err)
	}
	return nil
}

// holeSize is the smallest run of zeros that becomes a hole, in bytes: what file
// systems allocate at once.
const holeSize = 4 << 10

var nothing [holeSize]byte

// zeros unpacks a file whose holes archive/tar reads as zeros, and leaves out the
// zeros.
func (u *unpacker) zeros(fd int, rel string, size int64) error {
	for off := int64(0); off < size; {
		if err := ended(u.ctx); err != nil {
			return err
		}
		buf := u.data[:min(size-off, chunk)]
		if _, err := io.ReadFull(u.in, buf); err != nil {
			return dataError(err)
		}
		for len(buf) > 0 {
			part := buf[:min(len(buf), holeSize)]
			if !bytes.Equal(part, nothing[:len(part)]) {
				if err := pwrite(fd, part, off); err != nil {
					return pathError("write", rel, err)
				}
				u.sum.Content += int64(len(part))
			}
			buf, off = buf[len(part):], off+int64(len(part))
		}
	}
	return truncate(fd, rel, size)
}
