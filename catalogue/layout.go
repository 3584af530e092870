package catalogue

import (
	"path"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// The files of a catalogue beside its metadata.
const (
	recipesName = "recipes.json"
	indexName   = "v1/index.json"
	recipesDir  = "v1/recipes"
	entriesDir  = "v1/entries"
	bundlesDir  = "v1/bundles"
)

func recipePath(name string) string { return recipesDir + "/" + name + ".json" }

// recipeOf is the recipe that a path is about, ok is false for another file.
func recipeOf(name string) (string, bool) {
	dir, base := path.Split(name)
	found, ok := strings.CutSuffix(base, ".json")
	return found, ok && dir == recipesDir+"/" && recipe.ValidRecipeName(found) == nil
}

func entryPath(sha256 string) string { return entriesDir + "/" + sha256 + ".json" }

// bundleOf is the hash in a bundle's path.
func bundleOf(name string) (sha256 string, ok bool) { return namedByHash(name, bundlesDir, ".tar") }

// entryOf is the hash in an entry's path.
func entryOf(name string) (sha256 string, ok bool) { return namedByHash(name, entriesDir, ".json") }

func namedByHash(name, folder, ending string) (sha256 string, ok bool) {
	dir, base := path.Split(name)
	found, ok := strings.CutSuffix(base, ending)
	return found, ok && dir == folder+"/" && hexSHA256.MatchString(found)
}

// isContent tells the files whose name is their hash.
func isContent(name string) bool {
	_, isBundle := bundleOf(name)
	_, isEntry := entryOf(name)
	return isBundle || isEntry
}

var hashedBase = regexp.MustCompile(`^([0-9a-f]{64})\.(.+)$`)

// targetOf takes a hashed name apart: the target's path and the hash.
func targetOf(hashed string) (name, sha256 string, ok bool) {
	parts := hashedBase.FindStringSubmatch(path.Base(hashed))
	if parts == nil {
		return "", "", false
	}
	name = path.Join(path.Dir(hashed), parts[2])
	return name, parts[1], isTarget(name)
}

// isTarget tells the paths that a catalogue signs as targets.
func isTarget(name string) bool {
	_, isRecipe := recipeOf(name)
	return name == recipesName || name == indexName || isRecipe
}

// isPlain tells a target under the name that stays the same: the copy under a
// hashed name looks like the file of a recipe with that name.
func isPlain(name string) bool {
	_, _, isHashed := targetOf(name)
	return isTarget(name) && !isHashed
}
