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
	complete = true
	seen := 0
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if seen++; seen > maxEntries {
			complete = false
			return fs.SkipAll
		}
		if err != nil {
			complete = false
			return fs.SkipDir
		}
		if !e.IsDir() {
			return nil
		}
		if name != "." && skipDir(e.Name()) {
			return fs.SkipDir
		}
		if strings.Count(name, "/") >= maxDepth {
			complete = false
			return fs.SkipDir
		}
		found = append(found, locationsIn(fsys, name)...)
		return nil
	})
	return found, complete && err == nil
}

func skipDir(name string) bool { return name == "node_modules" || strings.HasPrefix(name, ".") }

func isYAML(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yml" || ext == ".yaml") && !strings.HasPrefix(name, ".")
}

func locationsIn(fsys fs.FS, dir string) []Location {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil
	}
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

// overlayPaths lists the overlays of base, sorted: in its folder, and below it
// in folders that have no compose file of their own.
func overlayPaths(fsys fs.FS, base string) []string {
	var found []string
	dir := path.Dir(base)
	_ = fs.WalkDir(fsys, dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && e != nil && e.IsDir():
			return fs.SkipDir
		case err != nil:
			return nil
		case e.IsDir():
			if name != dir && (skipDir(e.Name()) || ownCompose(fsys, name) || strings.Count(name, "/") > 4) {
				return fs.SkipDir
			}
		case isOverlayOf(e.Name(), base):
			found = append(found, name)
		}
		return nil
	})
	slices.Sort(found)
	return found
}

func ownCompose(fsys fs.FS, dir string) bool {
	entries, err := fs.ReadDir(fsys, dir)
	return err == nil && baseName(entries) != ""
}
