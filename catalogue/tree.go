package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Bounds of what is signed and verified. recipes.json of 10,000 recipes with 50
// versions has some 250 MB.
const (
	maxTreeFiles  = 5_000_000
	maxTargetFile = 1 << 30
)

// tree is an unsigned catalogue whose every file was read and found right.
type tree struct {
	dir     *disk.Dir
	targets map[string]trust.File
	bundles []Bundle // by hash, each once
}

// openTree reads a build's output and trusts nothing in it. The JSON files must
// be the very bytes that Build writes for the recipes in them, the bundles must
// be those of the entries, whole, and nothing else may be there.
func openTree(ctx context.Context, name string) (_ *tree, err error) {
	dir, err := disk.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening the unsigned catalogue: %w", err), "galley catalogue build makes it")
	}
	defer func() {
		if err != nil {
			_ = dir.Close()
		}
	}()
	t := &tree{dir: dir, targets: map[string]trust.File{}}
	files, err := t.list()
	if err != nil {
		return nil, err
	}
	recipes, err := t.readTargets(files)
	if err != nil {
		return nil, err
	}
	if err := t.readBundles(ctx, recipes, files); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tree) refuse(name string, err error) error {
	err = fault.New(fault.Refused, "%s %w", filepath.Join(t.dir.Name(), filepath.FromSlash(name)), err)
	return fault.Hint(err, "build the catalogue again; nothing was signed")
}

// list is the names of all files, none of them foreign.
func (t *tree) list() (map[string]bool, error) {
	listed, err := t.dir.List(maxTreeFiles)
	if err != nil {
		return nil, err
	}
	files := map[string]bool{}
	for _, f := range listed {
		_, isBundle := bundleOf(f.Name)
		if !f.Regular || !isTarget(f.Name) && !isBundle {
			return nil, t.refuse(f.Name, fmt.Errorf("is no part of an unsigned catalogue"))
		}
		files[f.Name] = true
	}
	for _, name := range []string{recipesName, indexName} {
		if !files[name] {
			return nil, t.refuse(name, fmt.Errorf("is missing"))
		}
	}
	return files, nil
}

// readTargets reads the JSON files, and makes them again from the recipes.
func (t *tree) readTargets(files map[string]bool) ([]*Recipe, error) {
	read := map[string][]byte{}
	var recipes []*Recipe
	var index *Index
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !isTarget(name) {
			continue
		}
		data, err := t.dir.Read(name, maxTargetFile)
		if err != nil {
			return nil, t.refuse(name, err)
		}
		read[name] = data
		t.targets[name] = trust.File{Length: int64(len(data)), SHA256: hashOf(data)}
		of, isRecipe := recipeOf(name)
		switch {
		case isRecipe:
			r, err := decodeRecipe(of, data)
			if err != nil {
				return nil, t.refuse(name, err)
			}
			recipes = append(recipes, r)
		case name == indexName:
			if index, err = decodeIndex(data); err != nil {
				return nil, t.refuse(name, err)
			}
		}
	}
	again, err := treeFiles(index.Name, byName(recipes))
	if err != nil {
		return nil, err
	}
	for name, data := range again {
		if string(read[name]) != string(data) {
			return nil, t.refuse(name, fmt.Errorf("is not what galley catalogue build writes for the recipes beside it"))
		}
	}
	return recipes, nil
}

// byName sorts recipes as an index has them, which is not the order of their
// files: "a-b.json" stands before "a.json".
func byName(recipes []*Recipe) []*Recipe {
	slices.SortFunc(recipes, func(a, b *Recipe) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return recipes
}

func (t *tree) readBundles(ctx context.Context, recipes []*Recipe, files map[string]bool) error {
	used := map[string]bool{}
	for _, r := range recipes {
		for i := range r.Versions {
			if err := ctx.Err(); err != nil {
				return err
			}
			e := &r.Versions[i]
			name := e.Bundle.Path()
			if !files[name] {
				return t.refuse(name, fmt.Errorf("is missing; version %q of %q needs it", e.Version, r.Name))
			}
			if err := t.readBundle(e); err != nil {
				return t.refuse(name, err)
			}
			if !used[name] {
				used[name] = true
				t.bundles = append(t.bundles, e.Bundle)
			}
		}
	}
	for name := range files {
		if _, isBundle := bundleOf(name); isBundle && !used[name] {
			return t.refuse(name, fmt.Errorf("belongs to no entry"))
		}
	}
	return nil
}

func (t *tree) readBundle(e *Entry) error {
	data, err := t.dir.Read(e.Bundle.Path(), recipe.MaxBundleSize)
	if err != nil {
		return err
	}
	return checkWholeBundle(e, data)
}

// checkWholeBundle sees that a bundle is an entry's, canonical, and holds the
// compose files that the entry names.
func checkWholeBundle(e *Entry, data []byte) error {
	if err := checkBundle(e.Bundle, data); err != nil {
		return err
	}
	files, err := recipe.ReadBundle(data)
	if err != nil {
		return err
	}
	for _, name := range append([]string{e.Compose}, e.Overlays...) {
		if _, err := fs.Stat(files, name); err != nil {
			return fmt.Errorf("lacks %q, which version %q names", name, e.Version)
		}
	}
	return nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
