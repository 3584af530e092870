package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// state is what a build knows of the tree that it goes on from. A version is
// known by its tag object: one whose tag did not move is not read again.
type state struct {
	recipes map[string]*known
}

// known is one recipe in the tree.
type known struct {
	Item     IndexItem      `json:"item"`
	Branch   string         `json:"branch"` // Recipe.DefaultBranch
	Releases []knownRelease `json:"releases"`
	// Refused are versions that were refused for what they are, not for what a
	// registry or a disk did. They are not looked at again while Inputs, a hash of
	// all that such a verdict comes from, stays the same.
	Refused []Refusal `json:"refused"`
	Inputs  string    `json:"inputs"`
}

// knownRelease is a published version and the tag object it was built from.
type knownRelease struct {
	Release
	Tag string `json:"tag"`
}

func (k *known) release(version string) *knownRelease {
	for i := range k.Releases {
		if k.Releases[i].Version == version {
			return &k.Releases[i]
		}
	}
	return nil
}

func (k *known) refused(version string) bool {
	return slices.ContainsFunc(k.Refused, func(r Refusal) bool { return r.Version == version })
}

// ledger is a state kept beside the tree, in the cache: what a build would else
// read every file of the tree for. It counts only while the tree's index is the
// one that it was written with; it may be removed at any time.
type ledger struct {
	Format  int               `json:"format"`
	Index   string            `json:"index"` // hash of v1/index.json
	Recipes map[string]*known `json:"recipes"`
}

const (
	ledgerFormat = 2
	maxLedger    = 1 << 30
)

// ledgerName is the ledger of an output folder.
func ledgerName(output string) string {
	return "ledger-" + hashOf([]byte(filepath.Clean(output)))[:16] + ".json"
}

// readState reads the ledger, or else the tree itself.
func (b *builder) readState() (*state, error) {
	index, err := b.out.dir.Read(indexName, maxTargetFile)
	if errors.Is(err, fs.ErrNotExist) {
		return b.readTree() // a first build that was killed may have left recipes
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %q: %w", indexName, b.out.dir.Name(), err)
	}
	b.out.reads.Add(1)
	if st := b.readLedger(hashOf(index)); st != nil {
		return st, nil
	}
	return b.readTree()
}

func (b *builder) readLedger(index string) *state {
	if b.opts.CacheDir == "" {
		return nil
	}
	cache, err := disk.Open(b.opts.CacheDir)
	if err != nil {
		return nil
	}
	defer cache.Close()
	data, err := cache.Read(ledgerName(b.out.dir.Name()), maxLedger)
	if err != nil {
		return nil
	}
	var l ledger
	if json.Unmarshal(data, &l) != nil || l.Format != ledgerFormat || l.Index != index || l.Recipes == nil {
		return nil
	}
	b.out.reads.Add(1)
	return &state{l.Recipes}
}

// writeLedger keeps the state for the next build. One that cannot be kept makes
// that one slower, not wrong.
func (b *builder) writeLedger(index []byte) {
	if b.opts.CacheDir == "" {
		return
	}
	cache, err := disk.Create(b.opts.CacheDir)
	if err != nil {
		return
	}
	defer cache.Close()
	data, err := json.Marshal(ledger{ledgerFormat, hashOf(index), b.state.recipes})
	if err == nil {
		_ = cache.Put(ledgerName(b.out.dir.Name()), data)
	}
}

// readTree reads the tree itself, each file that is named by its hash as well:
// what a power cut or a hand broke is forgotten, and so built again.
func (b *builder) readTree() (*state, error) {
	st := &state{map[string]*known{}}
	files, err := b.out.dir.List(maxTreeFiles)
	if err != nil {
		return nil, err
	}
	b.reread = len(files) > 0
	for _, f := range files {
		if !f.Regular || !isTarget(f.Name) && !isContent(f.Name) && !strings.HasPrefix(f.Name, disk.Scratch+"/") {
			return nil, foreign(b.out.dir.Name(), f.Name)
		}
		name, ok := recipeOf(f.Name)
		if !ok {
			continue
		}
		data, err := b.out.read(f.Name, maxTargetFile)
		if err != nil {
			return nil, err
		}
		r, err := decodeRecipe(name, data)
		if err != nil {
			return nil, b.damaged(f.Name, err)
		}
		k, err := b.knownOf(r)
		if err != nil {
			return nil, err
		}
		st.recipes[name] = k
	}
	return st, nil
}

func (b *builder) damaged(name string, err error) error {
	err = fault.New(fault.Refused, "%s %w", filepath.Join(b.out.dir.Name(), filepath.FromSlash(name)), err)
	return fault.Hint(err, "remove %q and build again: the published catalogue is what a new build goes on from", b.out.dir.Name())
}

// knownOf reads a recipe's entries and looks at its bundles.
func (b *builder) knownOf(r *Recipe) (*known, error) {
	k := &known{Item: r.item(), Branch: r.DefaultBranch}
	for _, release := range r.Versions {
		e, err := b.readEntry(r.Name, release)
		if err == nil && !b.dry {
			err = b.checkBundle(e)
		}
		if err != nil {
			return nil, b.damaged(entryPath(release.Entry), err)
		}
		k.Releases = append(k.Releases, knownRelease{release, e.Tag})
	}
	return k, nil
}

// readEntry reads an entry of the tree.
func (b *builder) readEntry(name string, release Release) (*Entry, error) {
	data, err := b.out.read(entryPath(release.Entry), maxEntry)
	if err != nil {
		return nil, err
	}
	if hashOf(data) != release.Entry {
		return nil, errWrongName
	}
	return decodeEntry(name, release.Version, data)
}

var errWrongName = errors.New("is not the file that its name says: wrong hash")

func (b *builder) checkBundle(e *Entry) error {
	data, err := b.out.read(e.Bundle.Path(), recipe.MaxBundleSize)
	if err != nil {
		return err
	}
	return checkBundle(e.Bundle, data)
}

// dropUnnamed removes what no recipe names: a killed build leaves files that are
// named by their hash.
func (b *builder) dropUnnamed() error {
	named := map[string]bool{}
	for name, k := range b.state.recipes {
		if len(k.Releases) > 0 {
			named[recipePath(name)] = true
		}
		for _, release := range k.Releases {
			named[entryPath(release.Entry)] = true
			e, err := b.readEntry(name, release.Release)
			if err != nil {
				return b.damaged(entryPath(release.Entry), err)
			}
			named[e.Bundle.Path()] = true
		}
	}
	files, err := b.out.dir.List(maxTreeFiles)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, isRecipe := recipeOf(f.Name); !named[f.Name] && (isContent(f.Name) || isRecipe) {
			if err := b.out.remove(f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// names of the recipes that are published, sorted.
func (s *state) names() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.recipes)) {
		if len(s.recipes[name].Releases) > 0 {
			names = append(names, name)
		}
	}
	return names
}
