// Package memfs is a read-only file system in memory, and the parts that other
// read-only file systems are made of. Bundles are read into one, and git trees
// share its file infos, open files and path rules.
//
// It refuses paths that could leave a root or mislead a reader (see CheckPath),
// a file that would also be a folder, and everything but regular files.
package memfs

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// File is one regular file's content and executable bit.
type File struct {
	Data []byte
	Exec bool
}

// FS is an immutable fs.FS that also implements fs.ReadDirFS, fs.ReadFileFS and
// fs.StatFS. The zero FS is not usable; New makes one. It is safe for concurrent use.
type FS struct {
	files map[string]file
	dirs  map[string][]fs.DirEntry // sorted by name; "." is always there
}

type file struct {
	info Info
	data []byte
}

// New builds a file system of files, keyed by slash-separated path. The data is
// not copied, and must not be changed afterwards.
func New(files map[string]File) (*FS, error) {
	f := &FS{files: make(map[string]file, len(files)), dirs: map[string][]fs.DirEntry{".": nil}}
	for name, content := range files {
		if err := CheckPath(name); err != nil {
			return nil, err
		}
		info := NewInfo(path.Base(name), FileMode(content.Exec), int64(len(content.Data)))
		f.files[name] = file{info: info, data: content.Data}
		f.addEntry(name, info)
	}
	for name := range f.dirs {
		if _, ok := f.files[name]; ok {
			return nil, fmt.Errorf("path %q is both a file and a folder", name)
		}
		slices.SortFunc(f.dirs[name], func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return f, nil
}

// addEntry lists info in its folder, and that folder in its own, up to the
// first folder that is there already.
func (f *FS) addEntry(name string, info Info) {
	for {
		dir := path.Dir(name)
		_, known := f.dirs[dir]
		f.dirs[dir] = append(f.dirs[dir], info)
		if known {
			return
		}
		name, info = dir, NewInfo(path.Base(dir), DirMode, 0)
	}
}

// Open implements fs.FS.
func (f *FS) Open(name string) (fs.File, error) {
	info, err := f.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return OpenDir(info, f.dirs[name]), nil
	}
	return OpenFile(info, f.files[name].data), nil
}

// Stat implements fs.StatFS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	info, err := f.stat("stat", name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// ReadFile implements fs.ReadFileFS; the caller may change what it gets.
func (f *FS) ReadFile(name string) ([]byte, error) {
	info, err := f.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	return append([]byte{}, f.files[name].data...), nil
}

// ReadDir implements fs.ReadDirFS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := f.stat("open", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return append([]fs.DirEntry(nil), f.dirs[name]...), nil
}

func (f *FS) stat(op, name string) (Info, error) {
	if !fs.ValidPath(name) {
		return Info{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if file, ok := f.files[name]; ok {
		return file.info, nil
	}
	if _, ok := f.dirs[name]; ok {
		return NewInfo(path.Base(name), DirMode, 0), nil
	}
	return Info{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}
