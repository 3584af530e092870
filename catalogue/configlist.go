package catalogue

import (
	"cmp"
	"path"
	"path/filepath"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source/forge"
)

// The keys that only lists have, and those that only one kind of list has.
var (
	listKeys  = []string{"include", "exclude", "token_file", "transport"}
	giteaKeys = []string{"token_file", "transport"}
)

// Transports are how the repositories of a gitea list can be fetched.
const (
	transportHTTPS = "https"
	transportSSH   = "ssh"
)

// list reads a source that stands for several.
func (r *configReader) list(n recipe.Node) {
	l := List{
		Folder: n.Get("folder").Text(), TokenFile: n.Get("token_file").Text(),
		Transport: n.Get("transport").Text(), Compose: r.compose(n), Gate: gate(n), Signers: r.signers(n),
		Include: r.patterns(n.Get("include")), Exclude: r.patterns(n.Get("exclude")),
	}
	address := n.Get("gitea")
	if address.Exists() {
		if r.others(n, "gitea", "git", "path", "folder", "name") {
			return
		}
		owner, err := forge.Parse(address.Text())
		if err != nil {
			r.problem(address.Range(), "gitea: %v", err)
			return
		}
		l.Gitea, l.Transport = owner.String(), cmp.Or(l.Transport, transportHTTPS)
		if l.TokenFile != "" {
			l.TokenFile = r.beside(l.TokenFile)
		}
		if l.TokenFile != "" && !owner.Encrypted() {
			r.problem(n.Get("token_file").Range(), "the token would be sent to %s without encryption; expected https", owner.Host())
		}
	} else if r.others(n, "folder", append([]string{"git", "path", "name"}, giteaKeys...)...) {
		return
	} else {
		l.Folder = filepath.Clean(r.beside(l.Folder))
	}
	for _, other := range r.out.Lists {
		if other.Location() == l.Location() {
			r.problem(n.Range(), "the list %q is there twice; give it once, with all names in include", l.Location())
			return
		}
	}
	r.out.Lists = append(r.out.Lists, l)
}

// others reports the first key that does not go with what.
func (r *configReader) others(n recipe.Node, what string, keys ...string) bool {
	for _, key := range keys {
		if n.Get(key).Exists() {
			r.problem(n.Get(key).KeyRange(), "the source has %s and %s, which do not go together", what, key)
			return true
		}
	}
	return false
}

func (r *configReader) patterns(n recipe.Node) []string {
	var list []string
	for _, item := range n.Items() {
		if _, err := path.Match(item.Text(), ""); err != nil {
			r.problem(item.Range(), "pattern %q: expected a recipe's name, with *, ? and [a-z]", item.Text())
		}
		list = append(list, item.Text())
	}
	return list
}

func gate(n recipe.Node) string { return cmp.Or(n.Get("gate").Text(), lint.Error.String()) }

func (r *configReader) compose(n recipe.Node) string {
	name := n.Get("compose").Text()
	if strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		r.problem(n.Get("compose").Range(), "compose file %q: expected a file's name without folders", name)
	}
	return name
}

func (r *configReader) signers(n recipe.Node) []string {
	var files []string
	for _, file := range n.Get("signers").Items() {
		files = append(files, r.beside(file.Text()))
	}
	return files
}
