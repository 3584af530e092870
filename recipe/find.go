package recipe

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Location is where a recipe or a loose compose file stands in a file system.
type Location struct {
	Dir     string // slash-separated, "." for the root
	Compose string // the base compose file's name in Dir
	// Alone says that Compose stands among others and owns nothing of the folder
	// but its own overlays.
	Alone bool
}

// Limits of a walk. A tree that passes them is cut there, and Find says so.
const (
	maxDepth   = 16
	maxEntries = 200_000
)

// Find walks fsys and lists what can be loaded: one location for each folder
// with a compose file of a known name, and one for every other YAML file that
// has services and is no overlay. Hidden folders and node_modules are not
// entered, links not followed. complete is false when the walk met its limits
// or a folder that cannot be read.
func Find(fsys fs.FS) (found []Location, complete bool) {
	w := &walk{fsys: fsys, complete: true}
	w.folder(".")
	return w.found, w.complete
}

// walk is one Find. It lists each folder once: on a disk that is most of the time.
type walk struct {
	fsys     fs.FS
	found    []Location
	seen     int // entries
	complete bool
}

func (w *walk) folder(dir string) {
	if w.seen++; w.seen > maxEntries || strings.Count(dir, "/") >= maxDepth {
		w.complete = false
		return
	}
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		w.complete = false
		return
	}
	w.found = append(w.found, locationsIn(w.fsys, dir, entries)...)
	for _, e := range entries {
		switch {
		case w.seen > maxEntries:
			w.complete = false
			return
		case !e.IsDir():
			w.seen++
		case !skipDir(e.Name()):
			w.folder(path.Join(dir, e.Name()))
		}
	}
}

func skipDir(name string) bool { return name == "node_modules" || strings.HasPrefix(name, ".") }

func isYAML(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yml" || ext == ".yaml") && !strings.HasPrefix(name, ".")
}

func locationsIn(fsys fs.FS, dir string, entries []fs.DirEntry) []Location {
	var found []Location
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && isYAML(e.Name()) {
			names = append(names, e.Name())
		}
	}
	base := baseName(entries)
	if base != "" {
		found = append(found, Location{Dir: dir, Compose: base})
	}
	for _, name := range names {
		switch {
		case name == base || isOverlayOfAny(name, names):
		case base != "" && stem(name) == stem(base): // compose.yml beside compose.yaml
			found = append(found, Location{Dir: dir, Compose: name, Alone: true})
		case hasServices(fsys, path.Join(dir, name)):
			found = append(found, Location{Dir: dir, Compose: name, Alone: true})
		}
	}
	return found
}

// stem is a compose file's name without its ending: what its overlays start with.
func stem(name string) string { return strings.TrimSuffix(path.Base(name), path.Ext(name)) }

// isOverlayOf tells whether name is an overlay of base: "stack.smtp.yml" of
// "stack.yml".
func isOverlayOf(name, base string) bool {
	return isYAML(name) && strings.HasPrefix(name, stem(base)+".") && stem(name) != stem(base)
}

func isOverlayOfAny(name string, names []string) bool {
	return slices.ContainsFunc(names, func(base string) bool { return isOverlayOf(name, base) })
}

// hasServices looks for a top-level services key without parsing the file: a
// tree holds many YAML files that are no stacks. A file with the key is parsed
// later, and judged then.
func hasServices(fsys fs.FS, name string) bool {
	data, err := readFile(fsys, name)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("services:")) || bytes.HasPrefix(line, []byte(`"services":`)) {
			return true
		}
	}
	return false
}

// maxOverlayDepth is how many folders below the base's overlays are looked for.
const maxOverlayDepth = 5

// overlayPaths lists the overlays of base, sorted: in its folder, and below it
// in folders that have no compose file of their own. entries are of the root.
func overlayPaths(fsys fs.FS, base string, entries []fs.DirEntry) []string {
	dir := path.Dir(base)
	if dir != "." {
		entries, _ = fs.ReadDir(fsys, dir) // of what cannot be read there are none
	}
	found := overlaysIn(fsys, base, dir, entries, 0)
	slices.Sort(found)
	return found
}

func overlaysIn(fsys fs.FS, base, dir string, entries []fs.DirEntry, depth int) (found []string) {
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case !e.IsDir() && isOverlayOf(e.Name(), base):
			found = append(found, name)
		case e.IsDir() && !skipDir(e.Name()) && depth < maxOverlayDepth:
			below, err := fs.ReadDir(fsys, name)
			if err == nil && baseName(below) == "" {
				found = append(found, overlaysIn(fsys, base, name, below, depth+1)...)
			}
		}
	}
	return found
}
