package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
)

// output is the tree of a build while it grows beside the one that it replaces.
type output struct {
	target  string // what is replaced
	staging string
}

// newOutput refuses a target that is not a catalogue's tree, or holds more than
// one, and makes the staging folder beside it.
func newOutput(target string) (*output, error) {
	if target == "" {
		return nil, fault.New(fault.Usage, "building a catalogue needs an output folder")
	}
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, fmt.Errorf("writing the catalogue: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if err := checkOwn(abs); err != nil {
		return nil, err
	}
	parent, base := filepath.Split(abs)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("writing the catalogue: %w", err)
	}
	staging, err := os.MkdirTemp(parent, "."+base+".galley-build-")
	if err != nil {
		return nil, fmt.Errorf("writing the catalogue: %w", err)
	}
	out := &output{target: abs, staging: staging}
	for _, dir := range []string{recipesDir, bundlesDir} {
		if err := os.MkdirAll(out.path(dir), 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("writing the catalogue: %w", err), out.discard())
		}
	}
	return out, os.Chmod(staging, 0o755)
}

func (o *output) path(name string) string { return filepath.Join(o.staging, filepath.FromSlash(name)) }

// discard removes what was not put in place.
func (o *output) discard() error {
	if err := os.RemoveAll(o.staging); err != nil {
		return fmt.Errorf("removing %q: %w", o.staging, err)
	}
	return nil
}

// checkOwn refuses a folder with anything in it that a build does not make.
func checkOwn(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the catalogue: %w", err)
	}
	if !info.IsDir() {
		return fault.New(fault.Usage, "output %q is no folder", dir)
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("writing the catalogue: %w", err)
		}
		_, isBundle := bundleOf(name)
		switch {
		case e.IsDir() && (name == "." || name == "v1" || name == recipesDir || name == bundlesDir):
			return nil
		case e.Type().IsRegular() && (isTarget(name) || isBundle):
			return nil
		}
		return fault.New(fault.Usage, "output %q holds %q, which is no part of an unsigned catalogue", dir, name)
	})
	return fault.Hint(err, "choose an empty folder: the output is replaced as a whole")
}

// bundle stores a bundle. Several goroutines may store the same one.
func (o *output) bundle(b Bundle, data []byte) error {
	f, err := os.OpenFile(o.path(b.Path()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	return nil
}

// write completes the tree and puts it in place of the old one.
func (o *output) write(name string, recipes []*Recipe) error {
	files, err := treeFiles(name, recipes)
	if err != nil {
		return err
	}
	for path, data := range files {
		if err := os.WriteFile(o.path(path), data, 0o644); err != nil {
			return fmt.Errorf("writing the catalogue: %w", err)
		}
	}
	if err := o.dropBundles(recipes); err != nil {
		return err
	}
	return o.swap()
}

// dropBundles removes the bundles of versions that were refused after all.
func (o *output) dropBundles(recipes []*Recipe) error {
	used := map[string]bool{}
	for _, r := range recipes {
		for i := range r.Versions {
			used[r.Versions[i].Bundle.Path()] = true
		}
	}
	entries, err := os.ReadDir(o.path(bundlesDir))
	if err != nil {
		return fmt.Errorf("writing the catalogue: %w", err)
	}
	for _, e := range entries {
		if name := bundlesDir + "/" + e.Name(); !used[name] {
			if err := os.Remove(o.path(name)); err != nil {
				return fmt.Errorf("writing the catalogue: %w", err)
			}
		}
	}
	return nil
}

// swap moves the old tree aside, the new one in, and removes the old one.
func (o *output) swap() error {
	if err := checkOwn(o.target); err != nil { // somebody may have put a file there meanwhile
		return err
	}
	old := o.staging + ".old"
	if exists(o.target) {
		if err := os.Rename(o.target, old); err != nil {
			return fmt.Errorf("writing the catalogue: %w", err)
		}
	}
	if err := os.Rename(o.staging, o.target); err != nil {
		err = fmt.Errorf("writing the catalogue: %w", err)
		if exists(old) {
			err = errors.Join(err, os.Rename(old, o.target))
		}
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing the old catalogue: %w", err)
	}
	return nil
}

// treeFiles are the JSON files of the tree, each checked as its reader will.
func treeFiles(name string, recipes []*Recipe) (map[string][]byte, error) {
	files := map[string][]byte{}
	index := Index{Schema: SchemaVersion, Name: name, Recipes: []IndexItem{}}
	for _, r := range recipes {
		data, err := encode(r, "  ")
		if err == nil {
			_, err = decodeRecipe(r.Name, data)
		}
		if err != nil {
			return nil, fmt.Errorf("writing %s: it %w", recipePath(r.Name), err)
		}
		files[recipePath(r.Name)] = data
		index.Recipes = append(index.Recipes, IndexItem{
			Name: r.Name, Description: r.Description, Category: r.Category,
			Newest: r.Newest().Version, Versions: len(r.Versions),
		})
	}
	data, err := encode(index, "  ")
	if err == nil {
		_, err = decodeIndex(data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: it %w", indexName, err)
	}
	files[indexName] = data
	if data, err = recipesJSON(recipes); err == nil {
		err = checkSchema("recipes", data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: it %w", recipesName, err)
	}
	files[recipesName] = data
	return files, nil
}
