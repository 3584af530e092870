package lint

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe/memfs"
)

// View is fsys with the contents of some files replaced, by slash-separated
// path: what an editor has open, or what a fix made of them. A file that fsys
// does not have is there too. The contents are not copied.
func View(fsys fs.FS, files map[string][]byte) fs.FS {
	return &view{fsys: fsys, dir: ".", files: files}
}

// view is a folder of a file system, with some of its files hidden and the
// contents of others replaced. Unlike what fs.Sub gives, it describes a file
// without opening it: a named pipe would wait for who writes to it.
type view struct {
	fsys  fs.FS
	dir   string // of fsys, that is the view's root
	files map[string][]byte
	// hides tells what is not to be seen; nil hides nothing. Both take paths of
	// fsys.
	hides func(name string, dir bool) bool
	// listed is told what is in a folder, hidden or not; nil for nobody.
	listed func(dir string, list []fs.DirEntry)
}

// Sub implements fs.SubFS.
func (v *view) Sub(dir string) (fs.FS, error) {
	if !fs.ValidPath(dir) {
		return nil, &fs.PathError{Op: "sub", Path: dir, Err: fs.ErrInvalid}
	}
	sub := *v
	sub.dir = path.Join(v.dir, dir)
	return &sub, nil
}

// full is a name of the view as a path of fsys.
func (v *view) full(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return path.Join(v.dir, name), nil
}

// replaced is a file that stands in the view with a content of its own.
func (v *view) replaced(full string) (memfs.Info, []byte, bool) {
	data, ok := v.files[full]
	return memfs.NewInfo(path.Base(full), memfs.FileMode(false), int64(len(data))), data, ok
}

// holdsReplaced tells whether a replaced file stands below a folder.
func (v *view) holdsReplaced(full string) bool {
	for name := range v.files {
		if full == "." || strings.HasPrefix(name, full+"/") {
			return true
		}
	}
	return false
}

func (v *view) stat(op, name string, stat func(fs.FS, string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	full, err := v.full(op, name)
	if err != nil {
		return nil, err
	}
	if info, _, ok := v.replaced(full); ok {
		return info, nil
	}
	info, err := stat(v.fsys, full)
	if err != nil {
		if v.holdsReplaced(full) && errors.Is(err, fs.ErrNotExist) {
			return memfs.NewInfo(path.Base(full), memfs.DirMode, 0), nil
		}
		return nil, err
	}
	if v.hides != nil && v.hides(full, info.IsDir()) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return info, nil
}

// Stat implements fs.StatFS.
func (v *view) Stat(name string) (fs.FileInfo, error) { return v.stat("stat", name, fs.Stat) }

// Lstat implements fs.ReadLinkFS.
func (v *view) Lstat(name string) (fs.FileInfo, error) { return v.stat("lstat", name, fs.Lstat) }

// ReadLink implements fs.ReadLinkFS.
func (v *view) ReadLink(name string) (string, error) {
	full, err := v.full("readlink", name)
	if err != nil {
		return "", err
	}
	return fs.ReadLink(v.fsys, full)
}

// Open implements fs.FS.
func (v *view) Open(name string) (fs.File, error) {
	full, err := v.full("open", name)
	if err != nil {
		return nil, err
	}
	if info, data, ok := v.replaced(full); ok {
		return memfs.OpenFile(info, data), nil
	}
	if v.hides == nil && len(v.files) == 0 {
		return v.fsys.Open(full)
	}
	if len(v.files) == 0 && !v.hides(full, false) {
		return v.openSeen(name, full)
	}
	info, err := v.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return v.fsys.Open(full)
	}
	return v.openDir(name, info)
}

// openSeen opens what is not hidden, unless it is a folder: of that, what is in
// it may be. To ask what it is before it is opened costs as much again on a disk.
func (v *view) openSeen(name, full string) (fs.File, error) {
	f, err := v.fsys.Open(full)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		return f, nil
	}
	closing := f.Close()
	if err = errors.Join(err, closing); err != nil {
		return nil, err
	}
	return v.openDir(name, info)
}

func (v *view) openDir(name string, info fs.FileInfo) (fs.File, error) {
	list, err := v.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return memfs.OpenDir(info, list), nil
}

// ReadDir implements fs.ReadDirFS.
func (v *view) ReadDir(name string) ([]fs.DirEntry, error) {
	full, err := v.full("readdir", name)
	if err != nil {
		return nil, err
	}
	list, err := fs.ReadDir(v.fsys, full)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && v.holdsReplaced(full)) {
		return nil, err
	}
	if v.listed != nil && err == nil {
		v.listed(full, list)
	}
	if v.hides != nil {
		list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return v.hides(path.Join(full, e.Name()), e.IsDir()) })
	}
	return v.withReplaced(full, list), nil
}

// withReplaced puts the replaced files of a folder, and the folders that only
// they are in, among what is listed of it.
func (v *view) withReplaced(full string, list []fs.DirEntry) []fs.DirEntry {
	if len(v.files) == 0 {
		return list
	}
	byName := make(map[string]fs.DirEntry, len(list))
	for _, e := range list {
		byName[e.Name()] = e
	}
	for name := range v.files {
		rest := name
		if full != "." {
			below, ok := strings.CutPrefix(name, full+"/")
			if !ok {
				continue
			}
			rest = below
		}
		first, _, deeper := strings.Cut(rest, "/")
		switch {
		case !deeper:
			info, _, _ := v.replaced(name)
			byName[first] = info
		case byName[first] == nil:
			byName[first] = memfs.NewInfo(first, memfs.DirMode, 0)
		}
	}
	list = slices.Collect(maps.Values(byName))
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}
