package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

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
	dir    *disk.Dir
	before map[string]trust.File // targets that were signed, and so looked at, before

	mu      sync.Mutex // guards what follows while recipes are read
	recipes []*Recipe  // by name
	targets map[string]trust.File
	content map[string]trust.File      // what is named by its hash
	legacy  map[string]json.RawMessage // each recipe's part of recipes.json
}

// openTree reads a build's output and trusts nothing in it. The JSON files must
// be the very bytes that Build writes for what is in them, every file that is
// named by its hash must be that file and belong to a version, and nothing else
// may be there. Of a recipe whose head was signed before, as it is, nothing can be
// other than it was then but bytes that their hash betrays: it is hashed only.
func openTree(ctx context.Context, name string, before map[string]trust.File) (_ *tree, err error) {
	dir, err := disk.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening the unsigned catalogue: %w", err), "galley catalogue build makes it")
	}
	defer func() {
		if err != nil {
			_ = dir.Close()
		}
	}()
	t := &tree{dir: dir, before: before, targets: map[string]trust.File{}, content: map[string]trust.File{}, legacy: map[string]json.RawMessage{}}
	files, err := t.list()
	if err != nil {
		return nil, err
	}
	if err := t.readRecipes(ctx, files); err != nil {
		return nil, err
	}
	if err := t.readSummaries(); err != nil {
		return nil, err
	}
	for name := range files {
		if _, ok := t.content[name]; isContent(name) && !ok {
			return nil, t.refuse(name, errors.New("belongs to no version"))
		}
	}
	return t, nil
}

func (t *tree) refuse(name string, err error) error {
	err = fault.New(fault.Refused, "%s %w", filepath.Join(t.dir.Name(), filepath.FromSlash(name)), err)
	return fault.Hint(err, "nothing was signed; remove %q and build again, which goes on from what is published", t.dir.Name())
}

// list is the names of all files, none of them foreign.
func (t *tree) list() (map[string]bool, error) {
	listed, err := t.dir.List(maxTreeFiles)
	if err != nil {
		return nil, err
	}
	files := map[string]bool{}
	for _, f := range listed {
		if !f.Regular || !isTarget(f.Name) && !isContent(f.Name) {
			return nil, t.refuse(f.Name, errors.New("is no part of an unsigned catalogue"))
		}
		files[f.Name] = true
	}
	for _, name := range []string{recipesName, indexName} {
		if !files[name] {
			return nil, t.refuse(name, errors.New("is missing"))
		}
	}
	return files, nil
}

// target reads a file that will be signed.
func (t *tree) target(name string) ([]byte, error) {
	data, err := t.dir.Read(name, maxTargetFile)
	if err != nil {
		return nil, t.refuse(name, err)
	}
	f := trust.File{Length: int64(len(data)), SHA256: hashOf(data)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.targets[name] = f
	return data, nil
}

// readRecipes reads the heads and everything they lead to, a recipe for each
// processor at a time.
func (t *tree) readRecipes(ctx context.Context, files map[string]bool) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		of, ok := recipeOf(name)
		if !ok {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return t.readRecipe(name, of)
		})
	}
	err := group.Wait()
	byName(t.recipes)
	return err
}

func (t *tree) readRecipe(name, of string) error {
	data, err := t.target(name)
	if err != nil {
		return err
	}
	signed := t.before[name] == trust.File{Length: int64(len(data)), SHA256: hashOf(data)}
	r, err := t.decodeHead(of, data, signed)
	if err != nil {
		return t.refuse(name, err)
	}
	entries := make([]*Entry, len(r.Versions))
	for i, release := range r.Versions {
		if entries[i], err = t.readVersion(r.Name, release, signed); err != nil {
			return err
		}
	}
	legacy := legacyPart
	if signed {
		legacy = legacyText
	}
	part, err := legacy(r, entries)
	if err != nil {
		return t.refuse(name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recipes, t.legacy[r.Name] = append(t.recipes, r), part
	return nil
}

func (t *tree) decodeHead(of string, data []byte, signed bool) (*Recipe, error) {
	if signed {
		var r Recipe
		return &r, json.Unmarshal(data, &r)
	}
	r, err := decodeRecipe(of, data)
	if err == nil {
		err = written(r, "", data)
	}
	return r, err
}

var errNotWritten = errors.New("is not what galley catalogue build writes for what is in the tree")

// written sees that data is how Build writes v: nothing can hide between the lines.
func written(v any, indent string, data []byte) error {
	again, err := encode(v, indent)
	if err == nil && string(again) != string(data) {
		err = errNotWritten
	}
	return err
}

// readVersion reads a version's entry and bundle.
func (t *tree) readVersion(recipe string, release Release, signed bool) (*Entry, error) {
	name := entryPath(release.Entry)
	data, err := t.hashed(name, release.Entry, maxEntry)
	if err != nil {
		return nil, t.refuse(name, fmt.Errorf("%w; version %q of %q needs it", err, release.Version, recipe))
	}
	e, err := t.decodeEntry(recipe, release.Version, data, signed)
	if err != nil {
		return nil, t.refuse(name, err)
	}
	if err := t.readBundle(e, signed); err != nil {
		return nil, t.refuse(e.Bundle.Path(), fmt.Errorf("%w; version %q of %q needs it", err, e.Version, e.Recipe))
	}
	return e, nil
}

func (t *tree) decodeEntry(recipe, version string, data []byte, signed bool) (*Entry, error) {
	if signed {
		var e Entry
		return &e, json.Unmarshal(data, &e)
	}
	e, err := decodeEntry(recipe, version, data)
	if err == nil {
		err = written(e, "", data)
	}
	return e, err
}

// hashed reads a file that is named by its hash.
func (t *tree) hashed(name, sha256 string, limit int64) ([]byte, error) {
	data, err := t.dir.Read(name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("is missing")
	}
	if err != nil {
		return nil, err
	}
	if hashOf(data) != sha256 {
		return nil, errWrongName
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.content[name] = trust.File{Length: int64(len(data)), SHA256: sha256}
	return data, nil
}

// readBundle reads the bundle of an entry. Two versions may share one.
func (t *tree) readBundle(e *Entry, signed bool) error {
	data, err := t.hashed(e.Bundle.Path(), e.Bundle.SHA256, recipe.MaxBundleSize)
	if err != nil || signed {
		return err
	}
	return checkWholeBundle(e, data)
}

// readSummaries reads the index and recipes.json, which must say what the
// recipes say.
func (t *tree) readSummaries() error {
	data, err := t.target(indexName)
	if err != nil {
		return err
	}
	index, err := decodeIndex(data)
	if err == nil {
		err = checkIndex(index.Name, t.recipes, data)
	}
	if err != nil {
		return t.refuse(indexName, err)
	}
	if data, err = t.target(recipesName); err != nil {
		return err
	}
	if err := written(t.legacy, "    ", data); err != nil {
		return t.refuse(recipesName, err)
	}
	return nil
}

// checkIndex makes the index again.
func checkIndex(name string, recipes []*Recipe, data []byte) error {
	index := Index{Schema: SchemaVersion, Name: name, Recipes: []IndexItem{}}
	for _, r := range recipes {
		index.Recipes = append(index.Recipes, r.item())
	}
	return written(index, "", data)
}

// checkLegacy makes recipes.json again.
func checkLegacy(recipes []*Recipe, entries map[string]*Entry, data []byte) error {
	parts := map[string]json.RawMessage{}
	for _, r := range recipes {
		list := make([]*Entry, len(r.Versions))
		for i, release := range r.Versions {
			list[i] = entries[release.Entry]
		}
		part, err := legacyPart(r, list)
		if err != nil {
			return err
		}
		parts[r.Name] = part
	}
	return written(parts, "    ", data)
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
