//go:build linux

package carrier

import (
	"archive/tar"
	"context"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/fault"
)

// Unpack reads a tar stream into the folder root, over what is there: a file gives
// way to an entry of its name, a folder stays and takes the entry's attributes.
// The stream must be whole, to the end that tar marks; what follows is read and
// counted. An entry that would leave the folder, by its name, through a link or as
// a hard link, is refused (fault.Refused), and so are kinds of entries that are no
// files. What was unpacked until an error stays.
//
// When ctx ends, a read from r that blocks is left behind; r is not to be used then.
func Unpack(ctx context.Context, root string, r io.Reader) (Summary, error) {
	fd, err := openRoot(root)
	if err != nil {
		return Summary{}, err
	}
	widen(r)
	in := newSource(ctx, r)
	defer in.stop()
	u := &unpacker{ctx: ctx, in: newAhead(in.ctx, in), data: make([]byte, chunk), attrs: make([]byte, 64<<10)}
	defer u.closeAll()
	if err := u.enterRoot(fd); err != nil {
		return Summary{}, err
	}
	if err := u.all(); err != nil {
		return Summary{}, err
	}
	if err := u.leave(0); err != nil {
		return Summary{}, err
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // the rest of tar's last record
		return Summary{}, err
	}
	return u.sum.finish(&in.tally), nil
}

type unpacker struct {
	ctx   context.Context
	in    *ahead
	sum   Summary
	open  []*place // the folders on the way to the last entry, the root first
	data  []byte
	attrs []byte
}

// all unpacks every entry.
func (u *unpacker) all() error {
	for {
		if err := ended(u.ctx); err != nil {
			return err
		}
		hdr, err := u.in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.entry(hdr); err != nil {
			return err
		}
	}
}

// within is an entry's name as a path below the root, "." for the root itself.
func within(name string) (string, error) {
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", fault.New(fault.Refused, "entry %q leaves the folder", name)
		}
	}
	if name == "" || name[0] == '/' || strings.IndexByte(name, 0) >= 0 {
		return "", fault.New(fault.Refused, "entry %q has no place in the folder", name)
	}
	return path.Clean(name), nil
}

// entry unpacks one entry.
func (u *unpacker) entry(hdr *tar.Header) error {
	name := hdr.Name
	sparse := hdr.PAXRecords[hiddenPrefix+"major"] == "1"
	if sparse {
		name = hdr.PAXRecords[hiddenPrefix+"name"]
	}
	rel, err := within(name)
	if err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeDir {
		return u.folder(rel, hdr)
	}
	u.sum.Files++
	if rel == "." {
		return fault.New(fault.Refused, "entry %q would take the folder's own place", name)
	}
	in, err := u.enter(path.Dir(rel))
	if err != nil {
		return err
	}
	t := target{in.fd, path.Base(rel), rel}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(t, hdr, sparse)
	case tar.TypeLink:
		return u.link(t, hdr.Linkname)
	case tar.TypeSymlink, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return u.special(t, hdr)
	}
	return fault.New(fault.Refused, "entry %q is of kind %q, which is no file", rel, hdr.Typeflag)
}

// target is where an entry goes: a name in an open folder.
type target struct {
	dirfd int
	name  string
	rel   string // for messages
}

// make calls a system call that makes the entry, and makes room for it when
// something of its name is there. A folder does not give way.
func (t target) make(call func() error) error {
	err := retry(call)
	if err == unix.EEXIST {
		if err = retry(func() error { return unix.Unlinkat(t.dirfd, t.name, 0) }); err == nil {
			err = retry(call)
		}
	}
	if err != nil {
		return pathError("make", t.rel, err)
	}
	return nil
}

// link makes a further name of a file that was unpacked before.
func (u *unpacker) link(t target, first string) error {
	rel, err := within(first)
	if err != nil {
		return err
	}
	dirfd, closing, err := u.look(path.Dir(rel))
	if err != nil {
		return pathError("link", first, err)
	}
	defer closing()
	if rel == t.rel {
		return nil // it is itself
	}
	return t.make(func() error { return unix.Linkat(dirfd, path.Base(rel), t.dirfd, t.name, 0) })
}

// special makes what has no data: links, devices and fifos.
func (u *unpacker) special(t target, hdr *tar.Header) error {
	err := t.make(func() error {
		switch hdr.Typeflag {
		case tar.TypeSymlink:
			return unix.Symlinkat(hdr.Linkname, t.dirfd, t.name)
		case tar.TypeFifo:
			return unix.Mknodat(t.dirfd, t.name, unix.S_IFIFO|0o600, 0)
		}
		kind := uint32(unix.S_IFCHR)
		if hdr.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		device := unix.Mkdev(uint32(hdr.Devmajor), uint32(hdr.Devminor))
		return unix.Mknodat(t.dirfd, t.name, kind|0o600, int(device))
	})
	if err != nil {
		return err
	}
	return u.dress(t, attrs{fd: -1, path: viaProc(t.dirfd, t.name)}, hdr)
}
