//go:build linux

package carrier

import (
	"archive/tar"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultACL makes everything that is made in a folder inherit an access list.
const defaultACL = "system.posix_acl_default"

// place is a folder that entries are being unpacked into. It gets its own owner,
// mode, attributes and time when the stream goes on elsewhere: until then they
// would change, or act on what is made in it. Only the folders on the way to the
// last entry are held, so their number does not matter; a stream that comes back
// to a folder later finds it as it was left.
type place struct {
	name string
	rel  string
	fd   int
	hdr  *tar.Header // of its own entry, nil when there was none yet
	// What it had when it was entered, to be put back where there is no entry.
	mtime unix.Timespec
	acl   string
	fresh bool // made here: nothing to put back
}

func (u *unpacker) enterRoot(fd int) error {
	root := &place{name: ".", rel: ".", fd: fd}
	u.open = append(u.open, root)
	return u.remember(root)
}

func (u *unpacker) closeAll() {
	for _, p := range u.open {
		unix.Close(p.fd)
	}
}

// enter makes the folder dir, a path as within makes it, the last of the open
// ones, and makes those on the way that are not there. No link is followed.
func (u *unpacker) enter(dir string) (*place, error) {
	var elements []string
	if dir != "." {
		elements = strings.Split(dir, "/")
	}
	common := 0
	for common < len(elements) && common+1 < len(u.open) && u.open[common+1].name == elements[common] {
		common++
	}
	if err := u.leave(common + 1); err != nil {
		return nil, err
	}
	for _, name := range elements[common:] {
		if err := u.step(name); err != nil {
			return nil, err
		}
	}
	return u.open[len(u.open)-1], nil
}

// step goes one folder down.
func (u *unpacker) step(name string) error {
	in := u.open[len(u.open)-1]
	p := &place{name: name, rel: path.Join(in.rel, name)}
	err := retry(func() error { return unix.Mkdirat(in.fd, name, 0o700) })
	if err != nil && err != unix.EEXIST {
		return pathError("make folder", p.rel, err)
	}
	p.fresh = err == nil
	if p.fd, err = openat(in.fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return pathError("open folder", p.rel, err)
	}
	u.open = append(u.open, p)
	if p.fresh {
		return unix.Fchmod(p.fd, 0o755) // until its entry says what it has
	}
	return u.remember(p)
}

// remember notes what a folder has that was there, and takes from it what would
// be inherited.
func (u *unpacker) remember(p *place) error {
	var st unix.Stat_t
	if err := unix.Fstat(p.fd, &st); err != nil {
		return pathError("stat", p.rel, err)
	}
	p.mtime = st.Mtim
	n, err := unix.Fgetxattr(p.fd, defaultACL, u.attrs)
	if err != nil || n == 0 {
		return nil // it has none
	}
	p.acl = string(u.attrs[:n])
	if err := unix.Fremovexattr(p.fd, defaultACL); err != nil {
		return pathError("set attribute "+defaultACL+" of", p.rel, err)
	}
	return nil
}

// leave finishes the open folders but the first keep.
func (u *unpacker) leave(keep int) error {
	for len(u.open) > keep {
		last := len(u.open) - 1
		p := u.open[last]
		if err := u.finish(p); err != nil {
			return err
		}
		unix.Close(p.fd)
		u.open = u.open[:last]
	}
	return nil
}

func (u *unpacker) finish(p *place) error {
	if p.hdr != nil {
		if !p.fresh {
			attrs{fd: p.fd}.clear(u.attrs, p.hdr.PAXRecords)
		}
		return u.dress(target{p.fd, ".", p.rel}, attrs{fd: p.fd}, p.hdr)
	}
	if p.fresh {
		return nil
	}
	if p.acl != "" {
		if err := unix.Fsetxattr(p.fd, defaultACL, []byte(p.acl), 0); err != nil {
			return pathError("set attribute "+defaultACL+" of", p.rel, err)
		}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, p.mtime}
	if err := unix.UtimesNanoAt(p.fd, ".", times, 0); err != nil {
		return pathError("set the time of", p.rel, err)
	}
	return nil
}

// folder unpacks a folder's own entry. What stands in its place and is no folder
// gives way.
func (u *unpacker) folder(rel string, hdr *tar.Header) error {
	if rel != "." {
		in, err := u.enter(path.Dir(rel))
		if err != nil {
			return err
		}
		t := target{in.fd, path.Base(rel), rel}
		var st unix.Stat_t
		if err := lstatat(t.dirfd, t.name, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if err := unix.Unlinkat(t.dirfd, t.name, 0); err != nil {
				return pathError("remove", rel, err)
			}
		}
	}
	p, err := u.enter(rel)
	if err != nil {
		return err
	}
	p.hdr = hdr
	return nil
}

// look opens a folder that must be there without going there.
func (u *unpacker) look(dir string) (fd int, closing func(), err error) {
	fd, closing = u.open[0].fd, func() {}
	if dir == "." {
		return fd, closing, nil
	}
	for _, name := range strings.Split(dir, "/") {
		next, err := openat(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		closing()
		if err != nil {
			return -1, nil, err
		}
		fd, closing = next, func() { unix.Close(next) }
	}
	return fd, closing, nil
}
