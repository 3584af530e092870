package source

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// The largest files of refs that are read, in bytes.
const (
	maxRefFile    = 4 << 10
	maxPackedRefs = 64 << 20
	maxGitConfig  = 1 << 20
)

// errUnusual is a repository that the short way does not know: go-git then reads
// it, or says what is wrong.
var errUnusual = errors.New("repository is laid out unusually")

// listLocal reads the few files that hold refs: 0.1 ms for twenty packed tags.
// Opening with go-git takes five times as long, and reading the tags far longer,
// which counts when a thousand repositories have not changed.
func listLocal(src Source, parents bool) (*Listing, error) {
	root, err := discover(src, parents)
	if err != nil {
		return nil, err
	}
	read, err := readLocalRefs(root)
	if err != nil {
		return listOpened(src, root)
	}
	l := &Listing{source: src, Tags: read.tags}
	l.DefaultBranch, _ = defaultBranch(read.lookup)
	return l, nil
}

// listOpened lists what go-git can open.
func listOpened(src Source, root string) (*Listing, error) {
	repo, err := openDir(src, root)
	if err != nil {
		return nil, err
	}
	l := &Listing{source: src, Tags: map[string]PeeledTag{}}
	for name := range repo.refs {
		if !name.IsTag() {
			continue
		}
		tag := PeeledTag{}
		if hash, ok := repo.lookup(name); ok && !hash.IsZero() {
			tag.Tag = hash.String()
		}
		l.Tags[tagName(name)] = tag
	}
	l.DefaultBranch, _ = repo.DefaultBranch() // without one there is no commit
	return l, repo.Close()
}

// localRefs is what gitrepository-layout(5) says of refs, read without go-git.
type localRefs struct {
	folders
	tags   map[string]PeeledTag
	packed []byte
}

// folders are where a repository's files are.
type folders struct {
	git    string // the work tree's own: HEAD
	common string // what all work trees share: everything else
}

func readLocalRefs(root string) (*localRefs, error) {
	dirs, err := findFolders(root)
	if err != nil {
		return nil, err
	}
	r := &localRefs{folders: dirs, tags: map[string]PeeledTag{}}
	config, err := readSmall(filepath.Join(r.common, "config"), maxGitConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Extensions are other hashes, other files of refs, and what is yet to come.
	if bytes.Contains(bytes.ToLower(config), []byte("extensions")) {
		return nil, errUnusual
	}
	// Loose before packed, as git reads them: `git pack-refs` writes the packed
	// file first and removes the loose ones then.
	loose := map[string]string{}
	if err := r.readLoose("refs/tags", loose); err != nil {
		return nil, err
	}
	if r.packed, err = readSmall(filepath.Join(r.common, packedRefs), maxPackedRefs); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := r.readPacked(); err != nil {
		return nil, err
	}
	for name, hash := range loose {
		if packed := r.tags[name]; cmp.Or(packed.Tag, packed.Target) != hash {
			r.tags[name] = PeeledTag{Tag: hash}
		}
	}
	return r, nil
}

// findFolders follows the .git file of a linked work tree or a submodule, and
// what that shares with others.
func findFolders(root string) (folders, error) {
	f := folders{git: filepath.Join(root, ".git")}
	info, err := os.Stat(f.git)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.git = root
	case err != nil:
		return folders{}, err
	case !info.IsDir():
		text, err := readSmall(f.git, maxRefFile)
		if err != nil {
			return folders{}, err
		}
		to, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if !ok {
			return folders{}, errors.New(".git file does not begin with gitdir")
		}
		f.git = beside(root, to)
	}
	f.common = f.git
	text, err := readSmall(filepath.Join(f.git, "commondir"), maxRefFile)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	f.common = beside(f.git, strings.TrimSpace(string(text)))
	return f, err
}

func beside(dir, to string) string {
	if filepath.IsAbs(to) {
		return to
	}
	return filepath.Join(dir, to)
}

// readLoose collects the tags below dir, which is slash-separated, by name.
func (r *localRefs) readLoose(dir string, into map[string]string) error {
	if strings.Count(dir, "/") > maxRefDepth {
		return errUnusual
	}
	entries, err := os.ReadDir(filepath.Join(r.common, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch {
		case entry.IsDir():
			if err := r.readLoose(name, into); err != nil {
				return err
			}
			continue
		case strings.HasSuffix(name, ".lock"): // git is writing it
			continue
		case !entry.Type().IsRegular():
			return errUnusual
		}
		text, err := readSmall(filepath.Join(r.common, filepath.FromSlash(name)), maxRefFile)
		if errors.Is(err, fs.ErrNotExist) { // packed or removed a moment ago
			continue
		}
		hash := strings.TrimSpace(string(text))
		if err != nil || !fullHash.MatchString(hash) || len(into) >= maxRefs {
			return errUnusual
		}
		into[strings.TrimPrefix(name, "refs/tags/")] = hash
	}
	return nil
}

// maxRefDepth is how many folders a tag's name may go down.
const maxRefDepth = 32

// readPacked reads packed-refs (git-pack-refs(1)): a header that says whether
// tags are peeled, a line for each ref, and a line with "^" for what it leads to.
func (r *localRefs) readPacked() error {
	peels := false
	last := ""
	for line := range bytes.Lines(r.packed) {
		text := strings.TrimRight(string(line), "\n")
		if header, ok := strings.CutPrefix(text, "# pack-refs with:"); ok {
			peels = strings.Contains(header+" ", "peeled ")
			continue
		}
		if target, ok := strings.CutPrefix(text, "^"); ok {
			if tag, known := r.tags[last]; known && fullHash.MatchString(target) {
				r.tags[last] = PeeledTag{Tag: cmp.Or(tag.Tag, tag.Target), Target: target}
			}
			continue
		}
		hash, name, ok := strings.Cut(text, " ")
		if !ok || !fullHash.MatchString(hash) || len(r.tags) >= maxRefs {
			return errUnusual
		}
		if last, ok = strings.CutPrefix(name, "refs/tags/"); !ok {
			last = ""
			continue
		}
		r.tags[last] = PeeledTag{Tag: hash}
		if peels { // and a tag object has a line of its own
			r.tags[last] = PeeledTag{Target: hash}
		}
	}
	return nil
}

// lookup reads one ref: a hash, or what a symbolic one leads to.
func (r *localRefs) lookup(name plumbing.ReferenceName) (*plumbing.Reference, bool) {
	dir := r.common
	switch {
	case name == plumbing.HEAD:
		dir = r.git
	case name.Validate() != nil:
		return nil, false
	}
	text, err := readSmall(filepath.Join(dir, filepath.FromSlash(name.String())), maxRefFile)
	if err == nil {
		return plumbing.NewReferenceFromStrings(name.String(), strings.TrimSpace(string(text))), true
	}
	suffix := []byte(" " + name.String() + "\n")
	at := bytes.Index(r.packed, suffix)
	if at < 40 {
		return nil, false
	}
	return plumbing.NewReferenceFromStrings(name.String(), string(r.packed[at-40:at])), true
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(name string, limit int64) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}
