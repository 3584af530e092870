package recipe

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe/memfs"
)

// The bounds of a bundle, for its writer and its reader alike. Real recipes hold
// some dozen files of a few kilobytes.
const (
	// MaxBundleFiles is how many files a bundle may hold.
	MaxBundleFiles = 10_000
	// MaxBundleFileSize is the largest file of a bundle, in bytes (16 MiB).
	MaxBundleFileSize = 16 << 20
	// MaxBundleSize is the largest bundle, in bytes, headers included (64 MiB).
	MaxBundleSize = 64 << 20
)

// ErrBundle is in the chain of every error that says a bundle, or the files that
// should become one, break a bundle's rules.
var ErrBundle = errors.New("not a valid bundle")

// WriteBundle writes the files of fsys to w as a tar archive that depends on
// their paths, contents and executable bits alone: sorted by path, mode 0644 or
// 0755, owner 0, time 0, no entries for folders (an empty one is not kept), USTAR
// headers and PAX ones only where a path needs them.
//
// A symlink, a submodule or any other irregular file is an error that names it:
// what it means depends on where it is unpacked, so a version that carries one
// has no bundle. After an error w holds a part of an archive.
func WriteBundle(w io.Writer, fsys fs.FS) error {
	names, err := bundleNames(fsys)
	if err != nil {
		return err
	}
	bounded := &boundedWriter{w: w, left: MaxBundleSize}
	archive := tar.NewWriter(bounded)
	for _, name := range names {
		data, exec, err := readForBundle(fsys, name)
		if err != nil {
			return fmt.Errorf("bundling: %w", err)
		}
		if err := addFile(archive, name, data, exec); err != nil {
			return fmt.Errorf("bundling %q: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("bundling: %w", err)
	}
	return nil
}

// bundleNames lists the paths of all files, sorted bytewise, which is not the
// order of a walk: "a.b" sorts before "a/c".
func bundleNames(fsys fs.FS) ([]string, error) {
	var names []string
	seen := 0
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if err := memfs.CheckPath(name); err != nil {
			return refuseBundle("%w", err)
		}
		if seen++; seen > 2*MaxBundleFiles || len(names) >= MaxBundleFiles {
			return refuseBundle("more than %d files", MaxBundleFiles)
		}
		switch {
		case entry.IsDir():
		case entry.Type().IsRegular():
			names = append(names, name)
		default:
			return refuseIrregular(name, entry.Type())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("bundling: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// readForBundle reads one file, and asks for its mode again: between the walk and
// now a work tree may have changed.
func readForBundle(fsys fs.FS, name string) (data []byte, exec bool, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, refuseIrregular(name, info.Mode().Type())
	}
	data, err = io.ReadAll(io.LimitReader(file, MaxBundleFileSize+1))
	if err != nil {
		return nil, false, err
	}
	if len(data) > MaxBundleFileSize {
		return nil, false, refuseBundle("file %q is larger than %d bytes", name, MaxBundleFileSize)
	}
	return data, info.Mode()&0o111 != 0, nil
}

func addFile(archive *tar.Writer, name string, data []byte, exec bool) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     name,
		Size:     int64(len(data)),
		Mode:     int64(memfs.FileMode(exec).Perm()),
		ModTime:  time.Unix(0, 0),
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(data)
	return err
}

// ReadBundle reads what WriteBundle wrote, into memory. The file system it
// returns also implements fs.ReadDirFS, fs.ReadFileFS and fs.StatFS.
//
// It is strict: regular files only, within the bounds, on paths that stay below
// their root, and written exactly as WriteBundle writes them. So one set of files
// has one bundle and one digest, and nothing can hide between or after the files.
func ReadBundle(data []byte) (fs.FS, error) {
	if len(data) > MaxBundleSize {
		return nil, reading(refuseBundle("larger than %d bytes", MaxBundleSize))
	}
	files, err := readBundleFiles(data)
	if err != nil {
		return nil, reading(err)
	}
	fsys, err := memfs.New(files)
	if err != nil {
		return nil, reading(refuseBundle("%w", err))
	}
	if err := checkCanonical(data, files); err != nil {
		return nil, reading(err)
	}
	return fsys, nil
}

func reading(err error) error {
	err = fmt.Errorf("reading bundle: %w", err)
	return fault.Hint(fault.Wrap(fault.Refused, err), "fetch the bundle again; if it stays so, ask its publisher")
}

func readBundleFiles(data []byte) (map[string]memfs.File, error) {
	files := map[string]memfs.File{}
	archive := tar.NewReader(bytes.NewReader(data))
	left := int64(len(data)) // all contents together are smaller than the archive
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, refuseBundle("%w", err)
		}
		if err := checkHeader(header, files); err != nil {
			return nil, err
		}
		if left -= header.Size; left < 0 { // only a sparse file can claim that
			return nil, refuseBundle("file %q claims more bytes than the archive has", header.Name)
		}
		content, err := io.ReadAll(io.LimitReader(archive, header.Size))
		if err != nil {
			return nil, refuseBundle("file %q: %w", header.Name, err)
		}
		files[header.Name] = memfs.File{Data: content, Exec: header.Mode&0o111 != 0}
	}
}

func checkHeader(header *tar.Header, files map[string]memfs.File) error {
	if header.Typeflag != tar.TypeReg {
		return refuseBundle("entry %q is no regular file (type %q)", header.Name, header.Typeflag)
	}
	if err := memfs.CheckPath(header.Name); err != nil {
		return refuseBundle("%w", err)
	}
	if _, ok := files[header.Name]; ok {
		return refuseBundle("file %q occurs twice", header.Name)
	}
	if len(files) >= MaxBundleFiles {
		return refuseBundle("more than %d files", MaxBundleFiles)
	}
	if header.Size > MaxBundleFileSize {
		return refuseBundle("file %q is larger than %d bytes", header.Name, MaxBundleFileSize)
	}
	return nil
}

// checkCanonical writes files again and compares on the way, without a second copy.
func checkCanonical(data []byte, files map[string]memfs.File) error {
	rest := &compareWriter{want: data}
	archive := tar.NewWriter(rest)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := addFile(archive, name, files[name].Data, files[name].Exec); err != nil {
			return refuseBundle("file %q: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return refuseBundle("%w", err)
	}
	if len(rest.want) > 0 {
		return refuseBundle("%d bytes follow its end", len(rest.want))
	}
	return nil
}

var errNotCanonical = errors.New("not written the one way a bundle is written")

// compareWriter fails at the first byte that is not the wanted one.
type compareWriter struct{ want []byte }

func (c *compareWriter) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.want, p) {
		return 0, errNotCanonical
	}
	c.want = c.want[len(p):]
	return len(p), nil
}

// boundedWriter fails before it would write more than left bytes.
type boundedWriter struct {
	w    io.Writer
	left int64
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, refuseBundle("larger than %d bytes", MaxBundleSize)
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}

func refuseBundle(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBundle, fmt.Errorf(format, args...))
}

func refuseIrregular(name string, mode fs.FileMode) error {
	kind := "an irregular file"
	switch {
	case mode&fs.ModeSymlink != 0:
		kind = "a symlink"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeIrregular != 0:
		kind = "a submodule, or otherwise irregular"
	}
	return fault.Hint(refuseBundle("%q is %s, expected a regular file", name, kind),
		"replace %q by a regular file in a new version", name)
}
