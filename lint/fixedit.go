package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// book is one file that fixes may change: its bytes, and the text that positions
// are of, which lacks a byte order mark where the parser drops it.
type book struct {
	target int
	name   string // in the target's folder
	raw    []byte
	text   *recipe.Text
	broken func([]byte) int // how much of a content cannot be read
}

// breaks tells whether a new content can be read less well than the old one.
func (b *book) breaks(made []byte) bool {
	return b.broken != nil && b.broken(made) > b.broken(b.raw)
}

// byteEdit replaces the bytes [from, to) of a file.
type byteEdit struct {
	from, to int
	text     string
}

// clashes tells whether two edits cannot both be made: they share bytes, or start
// at one place, so that their order would matter.
func (e byteEdit) clashes(other byteEdit) bool {
	return e.from == other.from || e.from < other.to && other.from < e.to
}

// editSet is edits of one file of which no two clash, in the order of the text.
// Only the neighbours of another edit can clash with it then.
type editSet []byteEdit

// find is where the edit is, or where it would be.
func (s editSet) find(e byteEdit) (at int, has bool) {
	at, found := slices.BinarySearchFunc(s, e, func(a, b byteEdit) int { return cmp.Compare(a.from, b.from) })
	return at, found && s[at] == e
}

// clashes tells whether an edit that it does not have cannot be made beside its own.
func (s editSet) clashes(e byteEdit) bool {
	at, _ := s.find(e)
	return at < len(s) && s[at].clashes(e) || at > 0 && s[at-1].clashes(e)
}

func (s editSet) with(e byteEdit) editSet {
	at, has := s.find(e)
	if has {
		return s
	}
	return slices.Insert(s, at, e)
}

// plannedFix is a finding's fix in bytes, by file as shown.
type plannedFix struct {
	finding *Finding
	edits   map[string]editSet
}

// fits tells whether the fix can be made beside those that have taken their
// edits. The same edits in full fit: one change cures several findings.
func (p plannedFix) fits(taken map[string]editSet) bool {
	same, all := 0, 0
	for file, edits := range p.edits {
		for _, e := range edits {
			all++
			if _, has := taken[file].find(e); has {
				same++
				continue
			}
			if taken[file].clashes(e) {
				return false
			}
		}
	}
	return same == 0 || same == all
}

func (p plannedFix) take(taken map[string]editSet) {
	for file, edits := range p.edits {
		for _, e := range edits {
			taken[file] = taken[file].with(e)
		}
	}
}

// books opens the files of all targets that findings' places are known in.
func (x *fixer) books() map[string]*book {
	books := map[string]*book{}
	for i := range x.targets {
		r := x.targets[i].Recipe
		for _, text := range filesOf(r) {
			file := path.Join(x.targets[i].Dir, text.Path)
			if books[file] == nil {
				books[file] = &book{target: i, name: text.Path, text: text, broken: brokenness(r, text)}
			}
		}
	}
	return books
}

// open finds a file's book and reads its bytes, if that was not done before.
func (x *fixer) open(file string, books map[string]*book) (*book, error) {
	if reason, ok := x.banned[file]; ok {
		return nil, errors.New(reason)
	}
	b := books[file]
	if b == nil {
		i := slices.IndexFunc(x.targets, func(t Target) bool { return holds(&t, file) })
		if i < 0 {
			return nil, errOutside
		}
		name, _ := inTarget(&x.targets[i], file)
		b = &book{target: i, name: name}
	}
	if b.raw != nil {
		return b, nil
	}
	raw, err := x.targets[b.target].Recipe.ReadFile(b.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%q is not there", file)
	case err != nil:
		return nil, err
	case b.text == nil:
		b.text = recipe.NewText(b.name, raw)
	case !bytes.Equal(bytes.TrimPrefix(raw, []byte("\ufeff")), bytes.TrimPrefix(b.text.Bytes, []byte("\ufeff"))):
		return nil, fmt.Errorf("%q has changed since it was read", file)
	}
	b.raw = append([]byte{}, raw...)
	books[file] = b
	return b, nil
}

// planned turns a finding's fix into bytes.
func (x *fixer) planned(f *Finding, books map[string]*book) (plannedFix, error) {
	p := plannedFix{finding: f, edits: map[string]editSet{}}
	for _, e := range f.Fix.Edits {
		b, err := x.open(e.File, books)
		if err != nil {
			return p, err
		}
		edit, err := b.edit(e)
		if err != nil {
			return p, fmt.Errorf("the fix of %s has an edit out of place: %w", f.Rule, err)
		}
		if p.edits[e.File].clashes(edit) {
			return p, fmt.Errorf("the fix of %s has edits that overlap", f.Rule)
		}
		p.edits[e.File] = p.edits[e.File].with(edit)
	}
	return p, nil
}

// edit is e in bytes of the file, its line ends those of the file.
func (b *book) edit(e Edit) (byteEdit, error) {
	mark := len(b.raw) - len(b.text.Bytes) // a byte order mark that the text lacks
	from, to := -1, -1
	if e.Start.Column > 0 && e.End.Column > 0 {
		from, to = b.text.Offset(e.Start), b.text.Offset(e.End)
	}
	if to < 0 && e.End.Line > b.text.Lines() {
		to = len(b.text.Bytes) // a line's end that is the file's
	}
	if from < 0 || to < from {
		return byteEdit{}, fmt.Errorf("%d:%d to %d:%d of %q", e.Start.Line, e.Start.Column, e.End.Line, e.End.Column, e.File)
	}
	text := e.Text
	if usesCRLF(b.text.Bytes) {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	return byteEdit{from + mark, to + mark, text}, nil
}

// usesCRLF tells whether a text's first line ends with CR and LF.
func usesCRLF(data []byte) bool {
	end := bytes.IndexByte(data, '\n')
	return end > 0 && data[end-1] == '\r'
}

// applyEdits makes edits that do not overlap, in any order.
func applyEdits(data []byte, edits []byteEdit) []byte {
	edits = slices.Clone(edits)
	slices.SortFunc(edits, func(a, b byteEdit) int { return cmp.Compare(a.from, b.from) })
	made := make([]byte, 0, len(data))
	at := 0
	for _, e := range edits {
		made = append(made, data[at:e.from]...)
		made = append(made, e.text...)
		at = e.to
	}
	return append(made, data[at:]...)
}

// brokenness counts what cannot be read of a file in the language that its place
// in the recipe promises. It is nil where any text will do.
func brokenness(r *recipe.Recipe, text *recipe.Text) func([]byte) int {
	name := text.Path
	switch {
	case r.Sample != nil && r.Sample.Text == text:
		return func(data []byte) int { return len(recipe.ParseEnv(recipe.NewText(name, data)).Problems()) }
	case r.Script != nil && r.Script.Text == text:
		return func(data []byte) int { return len(recipe.ParseScript(recipe.NewText(name, data)).Problems) }
	case r.Document(name) != nil:
		return func(data []byte) int {
			d := recipe.ParseDocument(name, data)
			return len(d.Errors) + len(d.Duplicates())
		}
	}
	return nil
}
