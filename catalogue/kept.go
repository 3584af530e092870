package catalogue

import (
	"errors"
	"fmt"
	"slices"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// checkKept sees that a build keeps what is published: somebody runs it. Every
// version must be there, with the tag, the commit, the files and the images that
// it was published with. What may change is the linter's verdict, and whether the
// version is withdrawn.
func checkKept(public *disk.Dir, before map[string]trust.File, t *tree) error {
	for name, f := range before {
		of, ok := recipeOf(name)
		if !ok || t.targets[name] == f {
			continue
		}
		data, err := public.Read(trust.HashedName(name, f.SHA256), f.Length)
		if err == nil && hashOf(data) != f.SHA256 {
			err = errWrongName
		}
		var r *Recipe
		if err == nil {
			r, err = decodeRecipe(of, data)
		}
		if err != nil {
			return unverified(public, trust.HashedName(name, f.SHA256), err)
		}
		if err := checkKeptRecipe(public, r, t); err != nil {
			return err
		}
	}
	return nil
}

func unverified(public *disk.Dir, name string, err error) error {
	err = fault.New(fault.Refused, "what is published in %q does not verify: %s %w", public.Name(), name, err)
	return fault.Hint(err, "restore the folder from a copy that verifies")
}

func checkKeptRecipe(public *disk.Dir, before *Recipe, t *tree) error {
	at := slices.IndexFunc(t.recipes, func(r *Recipe) bool { return r.Name == before.Name })
	for _, old := range before.Versions {
		var now *Release
		if at >= 0 {
			now = t.recipes[at].Release(old.Version)
		}
		if now == nil {
			return lost(before.Name, old.Version, errors.New("is not in the build"))
		}
		if now.Entry == old.Entry {
			continue
		}
		data, err := public.Read(entryPath(old.Entry), maxEntry)
		var e *Entry
		if err == nil {
			e, err = decodeEntry(before.Name, old.Version, data)
		}
		if err != nil {
			return unverified(public, entryPath(old.Entry), err)
		}
		in, err := t.readVersion(before.Name, *now, false)
		if err != nil {
			return err
		}
		if what := changed(e, in); what != "" {
			return lost(before.Name, old.Version, fmt.Errorf("has another %s in the build", what))
		}
	}
	return nil
}

func lost(recipe, version string, err error) error {
	err = fault.New(fault.Refused, "signing: %s@%s is published and %w", recipe, version, err)
	return fault.Hint(err, "build on what is published (galley catalogue build --previous), and yank what is not for use")
}

// changed names what must not change between two entries of a version.
func changed(a, b *Entry) string {
	switch {
	case a.Tag != b.Tag:
		return "tag"
	case a.Commit != b.Commit:
		return "commit"
	case a.Bundle != b.Bundle:
		return "bundle"
	case !slices.EqualFunc(a.Images, b.Images, func(x, y Image) bool {
		return x.Reference == y.Reference && x.Digest == y.Digest && slices.Equal(x.Platforms, y.Platforms)
	}):
		return "image"
	}
	return ""
}
