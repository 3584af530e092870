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
	bundlesDir  = "v1/bundles"
)

func recipePath(name string) string { return recipesDir + "/" + name + ".json" }

// recipeOf is the recipe that a path is about, ok is false for another file.
func recipeOf(name string) (string, bool) {
	dir, base := path.Split(name)
	found, ok := strings.CutSuffix(base, ".json")
	return found, ok && dir == recipesDir+"/" && recipe.ValidRecipeName(found) == nil
}

// bundleOf is the hash in a bundle's path.
func bundleOf(name string) (sha256 string, ok bool) {
	dir, base := path.Split(name)
	found, ok := strings.CutSuffix(base, ".tar")
	return found, ok && dir == bundlesDir+"/" && hexSHA256.MatchString(found)
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
