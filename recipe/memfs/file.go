package memfs

import (
	"bytes"
	"io"
	"io/fs"
	"time"
)

// Info describes one file or folder. It is an fs.FileInfo and an fs.DirEntry.
// Its time is always zero: neither a git tree nor a bundle records one.
type Info struct {
	name string
	mode fs.FileMode
	size int64
}

// NewInfo describes an entry called name; size is in bytes, and 0 for folders.
func NewInfo(name string, mode fs.FileMode, size int64) Info {
	return Info{name: name, mode: mode, size: size}
}

// FileMode is 0755 for an executable file and 0644 for any other: git and the
// bundle keep no more than the executable bit.
func FileMode(exec bool) fs.FileMode {
	if exec {
		return 0o755
	}
	return 0o644
}

// DirMode is the mode of every folder.
const DirMode = fs.ModeDir | 0o755

func (i Info) Name() string               { return i.name }
func (i Info) Size() int64                { return i.size }
func (i Info) Mode() fs.FileMode          { return i.mode }
func (i Info) Type() fs.FileMode          { return i.mode.Type() }
func (i Info) ModTime() time.Time         { return time.Time{} }
func (i Info) IsDir() bool                { return i.mode.IsDir() }
func (i Info) Sys() any                   { return nil }
func (i Info) Info() (fs.FileInfo, error) { return i, nil }
func (i Info) String() string             { return fs.FormatFileInfo(i) }

// OpenFile is an open file over data, which is not copied and never written.
func OpenFile(info fs.FileInfo, data []byte) fs.File {
	return &openFile{info: info, Reader: bytes.NewReader(data)}
}

type openFile struct {
	*bytes.Reader // Read, ReadAt, Seek, WriteTo
	info          fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// OpenDir is an open folder that lists entries, which must be sorted by name.
func OpenDir(info fs.FileInfo, entries []fs.DirEntry) fs.ReadDirFile {
	return &openDir{info: info, rest: entries}
}

type openDir struct {
	info fs.FileInfo
	rest []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: fs.ErrInvalid}
}

// ReadDir follows fs.ReadDirFile: up to n entries, all the rest when n ≤ 0.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.rest) {
		n = len(d.rest)
	}
	list := append([]fs.DirEntry(nil), d.rest[:n]...)
	d.rest = d.rest[n:]
	return list, nil
}
