package rules

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// past is what git knows of a recipe's versions.
type past struct {
	pass *lint.Pass
	// tags are the tags that lead to a commit; releases those of them whose names
	// are versions, ascending.
	tags, releases []source.Version
	read           map[string]*recipe.Recipe // by commit, nil for one that cannot be read
}

// pastOf asks for the recipe's history. Without one the rule has skipped.
func pastOf(p *lint.Pass) (*past, bool) {
	if p.World.History == nil {
		p.Skip("no git history")
		return nil, false
	}
	versions, err := p.World.History.Versions(p.Context)
	if err != nil {
		p.Skip(fmt.Sprintf("the git history cannot be read: %v", err))
		return nil, false
	}
	h := &past{pass: p, read: map[string]*recipe.Recipe{}}
	for _, v := range versions {
		if v.Err != nil {
			continue
		}
		h.tags = append(h.tags, v)
		if v.Parsed.App != "" {
			h.releases = append(h.releases, v)
		}
	}
	slices.SortStableFunc(h.releases, func(a, b source.Version) int { return a.Parsed.Compare(b.Parsed) })
	return h, true
}

// named is the place among the releases of the one with that name, -1 for none.
func (h *past) named(name string) int {
	return slices.IndexFunc(h.releases, func(v source.Version) bool { return v.Name == name })
}

// below is the newest release that is lower than a version.
func (h *past) below(v recipe.Version) (source.Version, bool) {
	for _, r := range slices.Backward(h.releases) {
		if r.Parsed.Recipe.LessThan(&v.Recipe) {
			return r, true
		}
	}
	return source.Version{}, false
}

// recipe is the recipe as it stood at a version, nil when it cannot be read.
func (h *past) recipe(v source.Version) *recipe.Recipe {
	if r, ok := h.read[v.Commit]; ok {
		return r
	}
	h.read[v.Commit] = nil
	tree, err := h.pass.World.History.Tree(h.pass.Context, v.Commit)
	if err != nil {
		return nil
	}
	opts := recipe.Options{Name: h.pass.Recipe.Name}
	if base := h.pass.Recipe.Base; base != nil {
		if _, err := fs.Stat(tree, base.Text.Path); err == nil {
			opts.Compose = base.Text.Path
		}
	}
	r, err := h.load(tree, v.Commit, opts)
	if err != nil {
		return nil
	}
	h.read[v.Commit] = r
	return r
}

func (h *past) load(tree fs.FS, commit string, opts recipe.Options) (*recipe.Recipe, error) {
	if l, ok := h.pass.World.History.(lint.Loader); ok {
		return l.Recipe(h.pass.Context, commit, opts)
	}
	return recipe.Load(tree, opts)
}

// current is the release that the recipe's files are, checked out: the one that
// the label names, or the newest. It is -1 for files that have changed since.
func (h *past) current() int {
	candidates := []int{len(h.releases) - 1}
	if l, _, ok := versionLabel(h.pass); ok {
		candidates = append([]int{h.named(l.value)}, candidates...)
	}
	for _, i := range candidates {
		if i < 0 {
			continue
		}
		if r := h.recipe(h.releases[i]); r != nil && len(changedFiles(r, h.pass.Recipe)) == 0 {
			return i
		}
	}
	return -1
}

// earlier are the releases before the recipe as it stands, the newest last: all
// of them when it is none of them.
func (h *past) earlier() []source.Version {
	if i := h.current(); i >= 0 {
		return h.releases[:i]
	}
	return h.releases
}

// previous is the release before the recipe as it stands. Without one, or when
// it cannot be read, the rule has nothing to compare with; only the latter is
// worth a word.
func (h *past) previous() (v source.Version, r *recipe.Recipe, ok bool) {
	earlier := h.earlier()
	if len(earlier) == 0 {
		return source.Version{}, nil, false
	}
	v = earlier[len(earlier)-1]
	if r = h.recipe(v); r == nil {
		h.pass.Skip(fmt.Sprintf("the files of version %q cannot be read", v.Name))
		return source.Version{}, nil, false
	}
	return v, r, true
}

// changedFiles names the files that a deploy uses and that differ between two
// states of a recipe, in the order in which the second one has them.
func changedFiles(before, after *recipe.Recipe) []string {
	old, now := deployedFiles(before), deployedFiles(after)
	var changed []string
	for _, f := range now.order {
		if was, ok := old.bytes[f]; !ok || !bytes.Equal(was, now.bytes[f]) {
			changed = append(changed, f)
		}
	}
	for _, f := range old.order {
		if _, ok := now.bytes[f]; !ok {
			changed = append(changed, f)
		}
	}
	return changed
}

type fileSet struct {
	order []string
	bytes map[string][]byte
}

func (s *fileSet) add(name string, data []byte) {
	if _, ok := s.bytes[name]; !ok {
		s.order = append(s.order, name)
		s.bytes[name] = data
	}
}

// deployedFiles are the compose files, the exports and the files of configs. The
// sample is not among them: it makes new apps, and no existing one.
func deployedFiles(r *recipe.Recipe) fileSet {
	s := fileSet{bytes: map[string][]byte{}}
	for _, d := range r.Documents() {
		s.add(d.Text.Path, d.Text.Bytes)
	}
	if r.Script != nil {
		s.add(r.Script.Text.Path, r.Script.Text.Bytes)
	}
	for _, c := range configsOf(r) {
		if c.file != "" && c.data != nil {
			s.add(path.Clean(c.file), c.data)
		}
	}
	return s
}
