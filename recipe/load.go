package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// ComposeNames are the file names a base compose file goes by, the one that is
// taken first at the front: the recipe convention, then the compose
// specification's, then what stacks in the wild are called.
var ComposeNames = []string{
	"compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml",
	"docker-stack.yml", "docker-stack.yaml",
}

// SampleName, ScriptName, ReadmeName and NotesDir are where a recipe keeps its
// sample env file, its exports, its metadata and its release notes.
const (
	SampleName = ".env.sample"
	ScriptName = "abra.sh"
	ReadmeName = "README.md"
	NotesDir   = "release"
)

// Recipe is one recipe as its files describe it, or a loose compose file with
// its overlays. Parts that are missing are nil.
type Recipe struct {
	// Name is the recipe's name: what Options gave, else the TYPE of the sample
	// env file, else "".
	Name string
	// Base is the compose file that the overlays are merged over, nil when the
	// folder has none.
	Base *Document
	// Overlays are the other compose files, by path.
	Overlays []*Document
	Sample   *EnvFile
	Script   *Script
	Readme   *Readme
	// Notes are the release notes, by file name.
	Notes []Note
	// Problems are the files that are there and could not be read.
	Problems []Problem

	fsys fs.FS
}

// Options tell Load what the files themselves do not.
type Options struct {
	// Name overrides the recipe's name.
	Name string
	// Compose is the base compose file's name; "" takes the first of
	// ComposeNames that is there.
	Compose string
	// Alone leaves out everything beside the compose file and its overlays: for
	// a compose file that stands among others.
	Alone bool
}

// Load reads the recipe at the root of fsys. Broken and unreadable files are
// not errors: they are in Problems and in the documents' Errors. The error is
// of the file system itself: the root cannot be listed.
func Load(fsys fs.FS, opts Options) (*Recipe, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the recipe's folder: %w", err)
	}
	r := &Recipe{Name: opts.Name, fsys: fsys}
	base := opts.Compose
	if base == "" {
		base = baseName(entries)
	}
	if base != "" {
		r.Base = r.document(base, entries)
		for _, name := range overlayPaths(fsys, base, entries) {
			if d := r.document(name, entries); d != nil {
				r.Overlays = append(r.Overlays, d)
			}
		}
	}
	if !opts.Alone {
		r.loadCompanions(entries)
	}
	return r, nil
}

func (r *Recipe) loadCompanions(entries []fs.DirEntry) {
	for _, e := range entries {
		switch name := e.Name(); {
		case name == NotesDir:
			r.loadNotes()
		case name == SampleName:
			if t := r.text(name, entries); t != nil {
				r.Sample = ParseEnv(t)
			}
		case name == ScriptName:
			if t := r.text(name, entries); t != nil {
				r.Script = ParseScript(t)
			}
		case !e.IsDir() && strings.EqualFold(name, ReadmeName) && r.Readme == nil:
			if t := r.text(name, entries); t != nil {
				r.Readme = ParseReadme(t)
			}
		}
	}
	if r.Name == "" && r.Sample != nil {
		r.Name, _ = r.Sample.Recipe()
	}
}

func (r *Recipe) loadNotes() {
	notes, err := fs.ReadDir(r.fsys, NotesDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir) {
		r.problem(NotesDir, err)
	}
	for _, e := range notes {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if t := r.text(path.Join(NotesDir, e.Name()), nil); t != nil {
			r.Notes = append(r.Notes, ParseNote(t))
		}
	}
}

// errNotDir is for a file named like the release folder.
var errNotDir = errors.New("not a directory")

func baseName(entries []fs.DirEntry) string {
	for _, name := range ComposeNames {
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && !e.IsDir() }) {
			return name
		}
	}
	return ""
}

// IsRecipe tells whether the folder has a recipe's marks: a sample env file, an
// abra.sh, a metadata block, or a coop-cloud label. Without any it is a loose
// compose file, and the conventions of recipes do not bind it.
func (r *Recipe) IsRecipe() bool {
	if r.Sample != nil || r.Script != nil || r.Readme != nil && r.Readme.Metadata != nil {
		return true
	}
	for _, d := range r.Documents() {
		for _, service := range d.Lookup("services").Pairs() {
			for _, label := range Labels(service.Get("deploy", "labels")) {
				if strings.HasPrefix(label.Name, "coop-cloud.") {
					return true
				}
			}
		}
	}
	return false
}

// Documents are the base, when there is one, and the overlays.
func (r *Recipe) Documents() []*Document {
	if r.Base == nil {
		return r.Overlays
	}
	return append([]*Document{r.Base}, r.Overlays...)
}

// Document finds a compose file by its path, nil when the recipe has no such one.
func (r *Recipe) Document(name string) *Document {
	for _, d := range r.Documents() {
		if d.Text.Path == path.Clean(name) {
			return d
		}
	}
	return nil
}

// FS is where the recipe was read from.
func (r *Recipe) FS() fs.FS { return r.fsys }

// ReadFile reads a file that a compose file names, relative to the recipe's
// root. A path that leaves the root, is no regular file, or is larger than
// MaxFileSize is an error that says so.
func (r *Recipe) ReadFile(name string) ([]byte, error) { return readFile(r.fsys, name) }

func readFile(fsys fs.FS, name string) ([]byte, error) {
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return nil, fault.New(fault.Refused, "%q is outside the recipe", name)
	}
	// Before it is opened: opening a named pipe waits for who writes to it.
	info, err := fs.Stat(fsys, clean)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", name)
	}
	return readOpened(fsys, clean)
}

// readOpened reads what is known to be a regular file.
func readOpened(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var data bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= MaxFileSize {
		data.Grow(int(info.Size()) + bytes.MinRead) // as it asks for, so that it grows once
	}
	if _, err := data.ReadFrom(io.LimitReader(f, MaxFileSize+1)); err != nil {
		return nil, err
	}
	if data.Len() > MaxFileSize {
		return nil, fmt.Errorf("%q is larger than %d bytes", name, MaxFileSize)
	}
	return data.Bytes(), nil
}

// readListed is readFile for what a list of the root has, which tells its kind.
func readListed(fsys fs.FS, name string, entries []fs.DirEntry) ([]byte, error) {
	at, ok := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
	if ok && entries[at].Type().IsRegular() {
		return readOpened(fsys, name)
	}
	return readFile(fsys, name)
}

// text reads one of the recipe's files, nil when it is not there. What is there
// and cannot be read is a problem. entries are of the root.
func (r *Recipe) text(name string, entries []fs.DirEntry) *Text {
	data, err := readListed(r.fsys, name, entries)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.problem(name, err)
		return nil
	}
	return NewText(name, data)
}

func (r *Recipe) document(name string, entries []fs.DirEntry) *Document {
	data, err := readListed(r.fsys, name, entries)
	if err != nil {
		r.problem(name, err)
		return nil
	}
	return ParseDocument(path.Clean(name), data)
}

func (r *Recipe) problem(name string, err error) {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	at := Range{File: path.Clean(name), Start: Position{1, 1}, End: Position{1, 1}}
	r.Problems = append(r.Problems, Problem{Range: at, Message: fmt.Sprintf("cannot be read: %v", err)})
}
