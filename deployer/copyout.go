package deployer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// unpacker writes an archive that a container gave below a folder of this machine.
// All of it goes to a new folder first and is moved when it is whole: an archive
// that is refused changes nothing.
//
// The container is not trusted. A name that is absolute or climbs, a link that leads
// out of what is copied, a device, a pipe and a socket are refused; that nothing is
// written through a link is os.Root's work.
type unpacker struct {
	root *os.Root // the new folder
	base string   // the archive's root: the last element of what was asked for
	name string   // the root's name here
	// skip tells a path inside, relative to the archive's root ("." for itself), that
	// an engine shows empty: it is left out and named in copied.
	skip   func(rel string) bool
	owner  bool // keep owners, for who may
	copied Copied
	dirs   []tar.Header // whose times and modes are set last, children first
	links  []tar.Header
}

// Copied counts what was copied.
type Copied struct {
	Files int   `json:"files"` // folders aside
	Bytes int64 `json:"bytes"`
	// Skipped are paths that were left out, because an engine shows them empty.
	Skipped []string `json:"skipped"`
}

// unpack reads the whole archive. An error names the entry.
func (u *unpacker) unpack(ctx context.Context, in io.Reader) error {
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		rel, err := u.relative(header.Name)
		if err != nil {
			return err
		}
		if u.skip != nil && u.skip(rel) {
			u.copied.Skipped = append(u.copied.Skipped, rel)
			continue
		}
		if err := u.entry(header, rel, archive); err != nil {
			return err
		}
	}
}

// relative is an entry's path below the archive's root.
func (u *unpacker) relative(name string) (string, error) {
	clean := path.Clean(name)
	if name == "" || path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(name, "\x00") {
		return "", refused(name, "its name leads out of what is copied")
	}
	if clean == u.base {
		return "", nil
	}
	rel, ok := strings.CutPrefix(clean, u.base+"/")
	if !ok {
		return "", refused(name, fmt.Sprintf("it is not below %q, which was asked for", u.base))
	}
	return rel, nil
}

func refused(name, why string) error {
	err := fault.New(fault.Refused, "the container's archive holds %q: %s", oneLine(name), why)
	return fault.Hint(err, "nothing was copied; name a folder without it, or copy with galley app run … -- tar")
}

// local is where an entry is written, below the root.
func (u *unpacker) local(rel string) string { return filepath.Join(u.name, filepath.FromSlash(rel)) }

func (u *unpacker) entry(header *tar.Header, rel string, content io.Reader) error {
	header.Name = rel
	switch header.Typeflag {
	case tar.TypeDir:
		u.dirs = append(u.dirs, *header)
		return u.root.MkdirAll(u.local(rel), 0o700)
	case tar.TypeReg:
		return u.file(header, rel, content)
	case tar.TypeSymlink:
		if leadsOut(rel, header.Linkname) {
			return refused(rel, fmt.Sprintf("a link to %q, which is not in what is copied", oneLine(header.Linkname)))
		}
		u.links = append(u.links, *header) // made last: nothing is written through one
		return nil
	case tar.TypeLink:
		from, err := u.relative(header.Linkname)
		if err != nil {
			return err
		}
		u.copied.Files++
		if err := u.root.Link(u.local(from), u.local(rel)); err != nil {
			return fmt.Errorf("writing %q: %w", rel, err)
		}
		return nil
	}
	return refused(rel, "it is a device, a pipe or the like")
}

// leadsOut tells a link at rel whose target is not below the archive's root. Steps
// up are taken only at a target's start: behind a name that is itself a link they
// would lead elsewhere than they seem to.
func leadsOut(rel, target string) bool {
	if rel == "" || target == "" || path.IsAbs(target) || strings.Contains(target, "\x00") {
		return true
	}
	down := false
	for step := range strings.SplitSeq(target, "/") {
		if step == ".." && down {
			return true
		}
		down = down || step != ".." && step != "." && step != ""
	}
	to := path.Join(path.Dir(rel), target)
	return to == ".." || strings.HasPrefix(to, "../")
}

func (u *unpacker) file(header *tar.Header, rel string, content io.Reader) error {
	name := u.local(rel)
	if err := u.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing %q: %w", rel, err)
	}
	n, err := io.Copy(f, content)
	u.copied.Files++
	u.copied.Bytes += n
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", rel, err)
	}
	return u.dress(header)
}

// dress gives a file or folder its mode, time and, where asked, owner. Setuid,
// setgid and sticky bits stay behind: they are of the container's users.
func (u *unpacker) dress(header *tar.Header) error {
	name := u.local(header.Name)
	mode := fs.FileMode(header.Mode).Perm()
	if header.Typeflag == tar.TypeDir {
		mode |= 0o700 // or nobody but root could put it in its place
	}
	err := u.root.Chmod(name, mode)
	if u.owner {
		err = errors.Join(err, u.root.Lchown(name, header.Uid, header.Gid))
	}
	if !header.ModTime.IsZero() {
		err = errors.Join(err, u.root.Chtimes(name, time.Time{}, header.ModTime))
	}
	if err != nil {
		return fmt.Errorf("writing %q: %w", header.Name, err)
	}
	return nil
}

func (u *unpacker) finish() error {
	for _, link := range u.links {
		name := u.local(link.Name)
		err := u.root.MkdirAll(filepath.Dir(name), 0o700)
		if err == nil {
			err = u.root.Symlink(filepath.FromSlash(link.Linkname), name)
		}
		if err != nil {
			return fmt.Errorf("writing %q: %w", link.Name, err)
		}
		u.copied.Files++
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if err := u.dress(&u.dirs[i]); err != nil {
			return err
		}
	}
	return nil
}

// settle moves what was unpacked to its place: target does not exist, or is a file
// that is replaced, or a folder that is added to. A dry one only tells whether
// something is in the way.
func settle(from, target string, dry bool) error {
	have, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return move(from, target, dry)
	}
	if err != nil {
		return err
	}
	comes, err := os.Lstat(from)
	switch {
	case err != nil:
		return err
	case have.IsDir() != comes.IsDir():
		return fmt.Errorf("%q is in the way: one of the two is a folder", target)
	case !have.IsDir():
		return move(from, target, dry)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := settle(filepath.Join(from, e.Name()), filepath.Join(target, e.Name()), dry); err != nil {
			return err
		}
	}
	return nil
}

func move(from, to string, dry bool) error {
	if dry {
		return nil
	}
	return os.Rename(from, to)
}
