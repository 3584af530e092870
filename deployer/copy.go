package deployer

import (
	"archive/tar"
	"cmp"
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

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/containerd/errdefs"

	"github.com/galley-coop/galley/internal/fault"
)

// copyIdle is how long a copy may stand still.
const copyIdle = time.Minute

// CopyOptions say whose the copied files are.
type CopyOptions struct {
	// Archive keeps owners by number. Without it they are, out of a container, whoever
	// runs galley, and in one, User and Group.
	Archive     bool
	User, Group int
}

// CopyOut copies a file or folder of the container to this machine, as cp -r does:
// into target when that is a folder, else to that name; a source that ends in "/."
// means what is in the folder. Everything is there or nothing is.
//
// What an engine shows empty (secrets, configs, tmpfs) is refused, and left out of
// folders and named.
func (c *Container) CopyOut(ctx context.Context, source, target string, o CopyOptions) (Copied, error) {
	contents := strings.HasSuffix(source, "/.")
	resolved, isDir, err := c.find(ctx, source)
	if err != nil {
		return Copied{}, err
	}
	name := path.Base(path.Clean(source))
	if resolved == "/" {
		return Copied{}, fault.New(fault.Usage, "%q is the whole container; expected a file or folder in it", source)
	}
	final, err := localTarget(target, name, contents, isDir)
	if err != nil {
		return Copied{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, _, err := c.api.CopyFromContainer(ctx, c.ID, resolved)
	if err != nil {
		return Copied{}, fmt.Errorf("copying %q from service %q: %w", source, c.Service, err)
	}
	defer stream.Close()
	u := &unpacker{base: path.Base(resolved), name: "new", owner: o.Archive, skip: func(rel string) bool {
		_, hidden := c.hides(path.Join(resolved, rel))
		return hidden && rel != ""
	}}
	u.copied.Skipped = []string{}
	if err := u.into(ctx, newSteady(stream, cancel), final); err != nil {
		return Copied{}, endedBy(ctx, fmt.Errorf("copying %q from service %q: %w", source, c.Service, err))
	}
	for i, rel := range u.copied.Skipped {
		u.copied.Skipped[i] = path.Join(resolved, rel)
	}
	return u.copied, nil
}

// into unpacks beside final and moves it there.
func (u *unpacker) into(ctx context.Context, in io.Reader, final string) error {
	temp, err := os.MkdirTemp(filepath.Dir(final), ".galley-cp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if u.root, err = os.OpenRoot(temp); err != nil {
		return err
	}
	defer u.root.Close()
	if err := u.unpack(ctx, in); err != nil {
		return err
	}
	from := filepath.Join(temp, u.name)
	if err := settle(from, final, true); err != nil {
		return err
	}
	return settle(from, final, false)
}

// localTarget is where a copy goes on this machine.
func localTarget(target, name string, contents, isDir bool) (string, error) {
	info, err := os.Stat(target)
	switch {
	case err == nil && info.IsDir() && !(contents && isDir):
		return filepath.Join(target, name), nil
	case err == nil && info.IsDir():
		return filepath.EvalSymlinks(target)
	case err == nil && isDir:
		return "", fault.New(fault.Usage, "%q is a file; expected a folder to copy a folder to", target)
	case err == nil:
		return filepath.EvalSymlinks(target)
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case strings.HasSuffix(target, "/") && !isDir:
		return "", fault.New(fault.Usage, "there is no folder %q", target)
	}
	if info, err := os.Stat(filepath.Dir(filepath.Clean(target))); err != nil || !info.IsDir() {
		return "", fault.New(fault.Usage, "there is no folder %q to copy to", filepath.Dir(filepath.Clean(target)))
	}
	return filepath.Clean(target), nil
}

// find resolves a path inside the container, a link to what it leads to, and
// refuses what an engine shows empty.
func (c *Container) find(ctx context.Context, name string) (resolved string, isDir bool, err error) {
	if !path.IsAbs(name) {
		return "", false, fault.New(fault.Usage, "%q is no path inside a container; expected one that begins with a slash", name)
	}
	resolved = path.Clean(name)
	if err := c.refuseHidden(resolved); err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stat, err := c.api.ContainerStatPath(ctx, c.ID, resolved)
	if err == nil && stat.LinkTarget != "" {
		resolved = path.Clean(stat.LinkTarget)
		if err := c.refuseHidden(resolved); err != nil {
			return "", false, err
		}
		stat, err = c.api.ContainerStatPath(ctx, c.ID, resolved)
	}
	if errdefs.IsNotFound(err) {
		return resolved, false, notInside{fault.New(fault.Unavailable, "service %q has no %q", c.Service, name)}
	}
	if err != nil {
		return "", false, fmt.Errorf("looking at %q of service %q: %w", name, c.Service, err)
	}
	return resolved, stat.Mode.IsDir(), nil
}

// notInside is the error for a path that a container does not have.
type notInside struct{ error }

func (e notInside) Unwrap() error { return e.error }

// hides tells why an engine's archive shows a path empty, or would take a file
// there that the app never sees: other file systems are mounted over it.
func (c *Container) hides(name string) (why string, hidden bool) {
	below := func(dir string) bool { return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") }
	for _, s := range c.spec.Secrets {
		if s.File != nil && below(absolute("/run/secrets", s.File.Name)) {
			return "a secret", true
		}
	}
	for _, conf := range c.spec.Configs {
		if conf.File != nil && below(absolute("/", conf.File.Name)) {
			return "a config", true
		}
	}
	for _, m := range c.spec.Mounts {
		if m.Type == mount.TypeTmpfs && below(path.Clean(m.Target)) {
			return "on a tmpfs", true
		}
	}
	for _, dir := range []string{"/run/secrets", "/var/run/secrets", "/proc", "/sys", "/dev"} {
		if below(dir) {
			return "of the running system", true
		}
	}
	return "", false
}

func (c *Container) refuseHidden(name string) error {
	why, hidden := c.hides(name)
	if !hidden {
		return nil
	}
	err := fault.New(fault.Unavailable, "%q of service %q is %s: an engine's copy would be empty", name, c.Service, why)
	return fault.Hint(err, "only a program inside sees it: galley app run … -- cat %s", name)
}

// CopyIn copies a file or folder of this machine into the container, as cp -r does:
// into target when that is a folder, else to that name, replacing a file; a source
// that ends in "/." means what is in the folder. Modes stay, links are copied as
// links, and what is no file, folder or link is left out and named.
func (c *Container) CopyIn(ctx context.Context, source, target string, o CopyOptions) (Copied, error) {
	from, err := filepath.EvalSymlinks(source)
	if err != nil {
		return Copied{}, err
	}
	info, err := os.Stat(from)
	if err != nil {
		return Copied{}, err
	}
	contents := info.IsDir() && (source == "." || strings.HasSuffix(source, "/."))
	dir, name, err := c.target(ctx, target, filepath.Base(filepath.Clean(source)), contents, info.IsDir())
	if err != nil {
		return Copied{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reader, writer := io.Pipe()
	p := &packer{options: o, name: name, from: from}
	packed := make(chan error, 1)
	go func() {
		err := p.pack(writer)
		packed <- err
		_ = writer.CloseWithError(err)
	}()
	err = c.api.CopyToContainer(ctx, c.ID, dir, newSteady(reader, cancel), container.CopyToContainerOptions{CopyUIDGID: true})
	_ = reader.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // or the packer would wait for ever
	if packErr := <-packed; err == nil {
		err = packErr
	}
	if err != nil {
		return Copied{}, endedBy(ctx, fmt.Errorf("copying %q to service %q: %w", source, c.Service, err))
	}
	return p.copied, nil
}

// target is the folder inside that a copy is unpacked in, and the name it gets there.
func (c *Container) target(ctx context.Context, target, name string, contents, isDir bool) (dir, as string, err error) {
	resolved, targetIsDir, err := c.find(ctx, target)
	var missing notInside
	switch {
	case errors.As(err, &missing):
		dir, dirIsDir, err := c.find(ctx, path.Dir(resolved))
		if err != nil {
			return "", "", err
		}
		if !dirIsDir || strings.HasSuffix(target, "/") && !isDir {
			return "", "", fault.New(fault.Usage, "service %q has no folder %q", c.Service, strings.TrimSuffix(target, "/"))
		}
		return dir, path.Base(resolved), nil
	case err != nil:
		return "", "", err
	case targetIsDir && contents:
		return resolved, ".", nil
	case targetIsDir:
		return resolved, name, c.refuseHidden(path.Join(resolved, name))
	case isDir:
		return "", "", fault.New(fault.Usage, "%q of service %q is a file; expected a folder to copy a folder to", target, c.Service)
	}
	return path.Dir(resolved), path.Base(resolved), nil
}

// packer writes files of this machine into an archive.
type packer struct {
	options CopyOptions
	from    string // what is copied
	name    string // what it is called inside; "." for the contents of a folder
	copied  Copied
}

func (p *packer) pack(out io.Writer) error {
	p.copied.Skipped = []string{}
	archive := tar.NewWriter(out)
	err := filepath.WalkDir(p.from, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(p.from, file)
		if err != nil {
			return err
		}
		if rel == "." && p.name == "." {
			return nil // the folder inside keeps its own mode
		}
		return p.add(archive, file, path.Join(p.name, filepath.ToSlash(rel)))
	})
	return errors.Join(err, archive.Close())
}

func (p *packer) add(archive *tar.Writer, file, name string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	if t := info.Mode().Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
		p.copied.Skipped = append(p.copied.Skipped, file)
		return nil
	}
	link := ""
	if info.Mode().Type() == fs.ModeSymlink {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name, header.Uname, header.Gname, header.Format = name, "", "", tar.FormatPAX
	if info.IsDir() {
		header.Name += "/"
	} else {
		p.copied.Files++
	}
	if !p.options.Archive {
		header.Uid, header.Gid = p.options.User, p.options.Group
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.CopyN(archive, f, info.Size())
	p.copied.Bytes += n
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s became shorter while it was read", file)
	}
	return err
}

// steady ends a copy that stands still.
type steady struct {
	in    io.Reader
	timer *time.Timer
}

func newSteady(in io.Reader, cancel context.CancelCauseFunc) *steady {
	return &steady{in, time.AfterFunc(copyIdle, func() { cancel(errStandsStill) })}
}

var errStandsStill = fmt.Errorf("nothing came for %v", copyIdle)

func (s *steady) Read(p []byte) (int, error) {
	s.timer.Reset(copyIdle)
	n, err := s.in.Read(p)
	s.timer.Reset(copyIdle)
	return n, err
}

// endedBy says why a copy's context ended, when it did.
func endedBy(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, errStandsStill):
		return fmt.Errorf("%w: %w", err, cause)
	}
	return fault.New(fault.Interrupted, "interrupted; a copy into a container may have come half way")
}
