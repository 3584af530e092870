//go:build linux

package carrier

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/fault"
)

// Pack writes the folder root as a tar stream to w: all of it, or of paths, which
// are relative to it, each with everything below and with the folders that lead
// there. A path that is not there, and one that leads through a link, is an error;
// so is a file that cannot be read.
//
// Applications go on writing meanwhile. A file that shrinks while it is read is
// filled up with zeros, as GNU tar does, one that grows is cut at the size it had,
// and what vanishes is left out: the first and the last are told in the Summary. A
// failure instead would let no database be backed up while it runs, and what must
// be consistent is dumped by a hook before, or stopped.
//
// When ctx ends, a write to w that blocks is left behind; w is not to be used then.
func Pack(ctx context.Context, root string, paths []string, w io.Writer) (Summary, error) {
	want, err := wantedOf(paths)
	if err != nil {
		return Summary{}, err
	}
	fd, err := openRoot(root)
	if err != nil {
		return Summary{}, err
	}
	defer unix.Close(fd)
	widen(w)
	p := newPacker(ctx, w)
	defer p.out.stop()
	if err := p.folder(fd, "", want); err != nil {
		return Summary{}, err
	}
	if err := p.tw.Close(); err != nil {
		return Summary{}, err
	}
	if err := p.out.close(); err != nil {
		return Summary{}, err
	}
	return p.sum.finish(&p.out.tally), nil
}

// wanted is a tree of the paths that were asked for. Nil is everything.
type wanted map[string]wanted

func wantedOf(paths []string) (wanted, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	root := wanted{}
	for _, path := range slices.Sorted(slices.Values(paths)) {
		if !filepath.IsLocal(path) {
			return nil, fault.New(fault.Usage, "path %q does not stay inside the folder", path)
		}
		if path = filepath.Clean(path); path == "." {
			return nil, nil
		}
		root.add(strings.Split(path, "/"))
	}
	return root, nil
}

// add is called in the order of names, so that what is above comes first.
func (w wanted) add(path []string) {
	below, known := w[path[0]]
	switch {
	case known && below == nil: // all of it already
	case len(path) == 1:
		w[path[0]] = nil
	default:
		if !known {
			below = wanted{}
			w[path[0]] = below
		}
		below.add(path[1:])
	}
}

type inode struct{ dev, ino uint64 }

// linked is an inode with several names, the first of which is in the stream.
type linked struct {
	first string
	left  uint64 // names that were not met yet
}

type packer struct {
	ctx   context.Context
	out   *sink
	tw    *tar.Writer
	sum   Summary
	links map[inode]linked // those with names still to come
	names []byte           // scratch space for folders
	attrs []byte           // for attributes
	data  []byte           // for files
}

func newPacker(ctx context.Context, w io.Writer) *packer {
	out := newSink(ctx, w)
	return &packer{ctx: ctx, out: out, tw: tar.NewWriter(out), links: map[inode]linked{},
		names: make([]byte, 64<<10), attrs: make([]byte, 64<<10), data: make([]byte, chunk)}
}

// folder packs the open folder itself, then what is in it. rel is "" for the root.
func (p *packer) folder(fd int, rel string, want wanted) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return pathError("stat", rel, err)
	}
	hdr := header(tar.TypeDir, rel, &st)
	if rel != "" {
		hdr.Name += "/"
	}
	if err := p.write(hdr, rel, attrs{fd: fd}); err != nil {
		return err
	}
	if want != nil {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if err := p.entry(fd, name, rel+name, want[name], true); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		list, err := names(fd, p.names)
		if err != nil {
			return pathError("read folder", rel, err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, name := range list {
			if err := p.entry(fd, name, rel+name, nil, false); err != nil {
				return err
			}
		}
	}
}

// errChanged says that an entry is not what it was a moment before.
var errChanged = errors.New("it was replaced again and again while it was read")

// entry packs what name is in the folder dirfd. An entry that was asked for by its
// name must be there.
func (p *packer) entry(dirfd int, name, rel string, want wanted, must bool) error {
	if err := ended(p.ctx); err != nil {
		return err
	}
	err := errChanged
	for tries := 0; tries < 3 && errors.Is(err, errChanged); tries++ {
		err = p.once(dirfd, name, rel, want)
	}
	switch {
	case errors.Is(err, unix.ENOENT) && must:
		return fault.New(fault.Unavailable, "%q is not in the folder", rel)
	case errors.Is(err, unix.ENOENT):
		p.sum.tell(rel, "it vanished while the folder was read")
		return nil
	case errors.Is(err, errChanged):
		return pathError("read", rel, err)
	}
	return err
}

func (p *packer) once(dirfd int, name, rel string, want wanted) error {
	var st unix.Stat_t
	if err := lstatat(dirfd, name, &st); err != nil {
		return pathError("stat", rel, err)
	}
	kind := st.Mode & unix.S_IFMT
	if want != nil && kind != unix.S_IFDIR {
		return fault.New(fault.Unavailable, "%q was asked for with what is in it, and is not a folder", rel)
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		if first, known := p.linked(&st); known {
			return p.link(first, rel, &st)
		}
	}
	switch kind {
	case unix.S_IFDIR:
		fd, err := openToRead(dirfd, name, unix.O_DIRECTORY)
		if err != nil {
			return openError(rel, err)
		}
		defer unix.Close(fd)
		return p.folder(fd, rel+"/", want)
	case unix.S_IFREG:
		return p.file(dirfd, name, rel)
	case unix.S_IFSOCK:
		p.sum.tell(rel, "a socket, which lives only while its program runs")
		return nil
	}
	return p.special(dirfd, name, rel, &st)
}

// openError tells an entry that became another one from one that cannot be read.
func openError(rel string, err error) error {
	if err == unix.ELOOP || err == unix.ENOTDIR || err == unix.ENXIO {
		return errChanged
	}
	return pathError("open", rel, err)
}

// special packs what has no data: links, devices and fifos.
func (p *packer) special(dirfd int, name, rel string, st *unix.Stat_t) error {
	var hdr *tar.Header
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := readlinkat(dirfd, name)
		if err == unix.EINVAL {
			return errChanged
		}
		if err != nil {
			return pathError("readlink", rel, err)
		}
		hdr = header(tar.TypeSymlink, rel, st)
		hdr.Linkname = target
	case unix.S_IFIFO:
		hdr = header(tar.TypeFifo, rel, st)
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr = header(tar.TypeChar, rel, st)
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	default:
		p.sum.tell(rel, "%s", kindText(st.Mode))
		return nil
	}
	if err := p.write(hdr, rel, attrs{fd: -1, path: viaProc(dirfd, name)}); err != nil {
		return err
	}
	p.remember(rel, st)
	return nil
}

// header is what every entry has. Names of users and groups are not looked up:
// there is nobody to ask in the container, and they mean nothing on another machine.
func header(kind byte, rel string, st *unix.Stat_t) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: "./" + strings.TrimSuffix(rel, "/"), Mode: int64(st.Mode & 0o7777),
		Uid: int(st.Uid), Gid: int(st.Gid), ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX}
}

// write adds the extended attributes and writes the header.
func (p *packer) write(hdr *tar.Header, rel string, from attrs) error {
	records, err := p.records(rel, from)
	if err != nil {
		return err
	}
	hdr.PAXRecords = records
	if hdr.Typeflag != tar.TypeDir {
		p.sum.Files++
	}
	return p.told(rel, p.tw.WriteHeader(hdr))
}

func (p *packer) records(rel string, from attrs) (map[string]string, error) {
	records, err := from.read(p.attrs, func(name string, err error) {
		p.sum.tell(rel, "its attribute %s cannot be read: %v", name, err)
	})
	if err != nil {
		return nil, pathError("list attributes", rel, err)
	}
	return records, nil
}

// told adds the entry's name to archive/tar's errors about a header.
func (p *packer) told(rel string, err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) {
		return pathError("write header", rel, err)
	}
	return err
}

// linked is the first name of an inode that has several.
func (p *packer) linked(st *unix.Stat_t) (string, bool) {
	key := inode{st.Dev, st.Ino}
	l, known := p.links[key]
	if !known {
		return "", false
	}
	if l.left--; l.left == 0 { // nobody will ask for it again
		delete(p.links, key)
	} else {
		p.links[key] = l
	}
	return l.first, true
}

// remember keeps the first name of an inode that has more.
func (p *packer) remember(rel string, st *unix.Stat_t) {
	if st.Nlink > 1 {
		p.links[inode{st.Dev, st.Ino}] = linked{rel, uint64(st.Nlink) - 1}
	}
}

func (p *packer) link(first, rel string, st *unix.Stat_t) error {
	hdr := header(tar.TypeLink, rel, st)
	hdr.Linkname = "./" + first
	p.sum.Files++
	return p.told(rel, p.tw.WriteHeader(hdr))
}
