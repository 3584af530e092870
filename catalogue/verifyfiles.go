package catalogue

import (
	"errors"
	"maps"
	"slices"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/recipe"
)

// checkTargets reads every target under both of its names, then what the entries
// in them lead to.
func (v *verifier) checkTargets() {
	if v.metadata.targets == nil {
		return
	}
	read := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(v.metadata.targets)) {
		f := v.metadata.targets[name]
		if data, ok := v.hashed(trust.HashedName(name, f.SHA256), f.SHA256, f.Length, true); ok {
			read[name] = data
		}
		if data, ok := v.plain(name, f); ok {
			read[name] = data
		}
	}
	for _, name := range []string{recipesName, indexName} {
		if _, ok := v.metadata.targets[name]; !ok && v.metadata.whole {
			v.problem(name, errors.New("is not among what was signed"))
		}
	}
	v.checkContents(read)
	if v.listed == nil {
		v.olderTargets()
	}
}

// hashed reads a file whose name holds its hash.
func (v *verifier) hashed(name, sha256 string, limit int64, required bool) ([]byte, bool) {
	data, ok := v.read(name, limit, required)
	if ok && hashOf(data) != sha256 {
		v.problem(name, wrongHash(data, "is not the file that its name says: wrong hash"))
		return nil, false
	}
	return data, ok
}

func wrongHash(data []byte, otherwise string) error {
	if looksLikeHTML(data) {
		return errors.New("is an HTML page")
	}
	return errors.New(otherwise)
}

// plain checks a target under the name that stays the same. One of an older
// catalogue is stale, and no problem: who signs is between two files.
func (v *verifier) plain(name string, f trust.File) ([]byte, bool) {
	older := v.olderFiles(name)
	limit := f.Length
	for _, o := range older {
		limit = max(limit, o.Length)
	}
	data, ok := v.read(name, limit, true)
	switch is := (trust.File{Length: int64(len(data)), SHA256: hashOf(data)}); {
	case !ok:
		return nil, false
	case is == f:
		return data, true
	case slices.Contains(older, is):
		v.out.Stale = append(v.out.Stale, name)
	default:
		v.problem(name, wrongHash(data, "is not the file that was signed: wrong length or hash"))
	}
	return nil, false
}

// olderFiles is what metadata that verifies and is not current says of a target.
func (v *verifier) olderFiles(name string) (files []trust.File) {
	for _, older := range v.metadata.older {
		if f, ok := older[name]; ok {
			files = append(files, f)
		}
	}
	return files
}

// unannounced tells a plain file that no current metadata names, but some that a
// killed Sign wrote.
func (v *verifier) unannounced(name string) bool {
	said := v.olderFiles(name)
	if len(said) == 0 {
		return false
	}
	data, ok := v.read(name, maxTargetFile, true)
	return ok && slices.Contains(said, trust.File{Length: int64(len(data)), SHA256: hashOf(data)})
}

// checkContents sees that what was signed fits its schemas and that the files say
// the same: a signature alone tells who, not that it is right.
func (v *verifier) checkContents(read map[string][]byte) {
	var recipes []*Recipe
	for _, name := range slices.Sorted(maps.Keys(read)) {
		of, isRecipe := recipeOf(name)
		if !isRecipe {
			continue
		}
		r, err := decodeRecipe(of, read[name])
		if err != nil {
			v.problem(name, err)
			continue
		}
		recipes = append(recipes, r)
	}
	v.out.Recipes = len(recipes)
	entries, whole := map[string]*Entry{}, true
	for _, r := range byName(recipes) {
		v.out.Versions += len(r.Versions)
		for _, release := range r.Versions {
			e := v.entry(r.Name, release)
			whole = whole && e != nil
			entries[release.Entry] = e
		}
	}
	if v.metadata.whole && len(recipes)+2 == len(v.metadata.targets) {
		v.checkSummaries(read, recipes, entries, whole)
	}
}

// checkSummaries makes the index and recipes.json again, once every recipe could
// be read.
func (v *verifier) checkSummaries(read map[string][]byte, recipes []*Recipe, entries map[string]*Entry, whole bool) {
	differs := func(name string, err error) {
		if errors.Is(err, errNotWritten) {
			err = errors.New("does not say what the recipes' files say")
		}
		if err != nil {
			v.problem(name, err)
		}
	}
	if data, ok := read[indexName]; ok {
		index, err := decodeIndex(data)
		if err == nil {
			err = checkIndex(index.Name, recipes, data)
		}
		differs(indexName, err)
	}
	if data, ok := read[recipesName]; ok && whole {
		differs(recipesName, checkLegacy(recipes, entries, data))
	}
}

// entry checks the entry of a version, and its bundle. It is nil when there is
// something wrong with it.
func (v *verifier) entry(recipe string, release Release) *Entry {
	name := entryPath(release.Entry)
	data, ok := v.hashed(name, release.Entry, maxEntry, true)
	if !ok {
		return nil
	}
	e, err := decodeEntry(recipe, release.Version, data)
	if err != nil {
		v.problem(name, err)
		return nil
	}
	v.bundle(e)
	return e
}

// bundle checks the bundle of an entry. Two entries may share one.
func (v *verifier) bundle(e *Entry) {
	name := e.Bundle.Path()
	if v.accounted[name] {
		return
	}
	data, ok := v.read(name, e.Bundle.Size, true)
	if !ok {
		return
	}
	if err := checkWholeBundle(e, data); err != nil {
		v.problem(name, err)
	}
}

// oldBundle checks a bundle that no current entry names.
func (v *verifier) oldBundle(name string) {
	hash, _ := bundleOf(name)
	data, ok := v.hashed(name, hash, recipe.MaxBundleSize, false)
	if !ok {
		return
	}
	if _, err := recipe.ReadBundle(data); err != nil {
		v.problem(name, err)
	}
}

// olderTargets reads the copies that older metadata names, as far as they are
// still there.
func (v *verifier) olderTargets() {
	for _, files := range v.metadata.older {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			f := files[name]
			if hashed := trust.HashedName(name, f.SHA256); isTarget(name) && !v.accounted[hashed] {
				v.hashed(hashed, f.SHA256, f.Length, false)
			}
		}
	}
}
