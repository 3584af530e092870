package catalogue

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/registry"
)

// The types of recipes.json, the format that existing clients read, with its
// keys in its order.
type legacyRecipe struct {
	Category      string                              `json:"category"`
	DefaultBranch string                              `json:"default_branch"`
	Description   string                              `json:"description"`
	Features      legacyFeatures                      `json:"features"`
	Icon          string                              `json:"icon"`
	Name          string                              `json:"name"`
	Repository    string                              `json:"repository"`
	SSHURL        string                              `json:"ssh_url"`
	Versions      []map[string]map[string]legacyImage `json:"versions"`
	Website       string                              `json:"website"`
}

type legacyFeatures struct {
	Backups     string `json:"backups"`
	Email       string `json:"email"`
	Healthcheck string `json:"healthcheck"`
	Image       struct {
		Image  string `json:"image"`
		Rating string `json:"rating"`
		Source string `json:"source"`
		URL    string `json:"url"`
	} `json:"image"`
	Status int    `json:"status"`
	Tests  string `json:"tests"`
	SSO    string `json:"sso"`
}

// legacyImage is what a service runs; the format had the digest in 2021 and
// dropped it, so its readers take it.
type legacyImage struct {
	Image  string `json:"image"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// legacyOf is a recipe's part of recipes.json. Withdrawn versions are not in it:
// its readers do not know of them and would offer them.
func legacyOf(r *Recipe, entries []*Entry) (legacyRecipe, error) {
	l := legacyRecipe{
		Category: r.Category, DefaultBranch: r.DefaultBranch, Description: r.Description,
		Name: r.Name, Repository: r.Repository, SSHURL: sshURL(r.Repository),
		Versions: []map[string]map[string]legacyImage{},
	}
	f := r.Features
	l.Features = legacyFeatures{Backups: f.Backups, Email: f.Email, Healthcheck: f.Healthcheck, Status: f.Status, Tests: f.Tests, SSO: f.SSO}
	l.Features.Image.Image, l.Features.Image.URL = f.Image, f.ImageURL
	l.Features.Image.Rating, l.Features.Image.Source = f.Rating, f.Source
	for i, e := range entries {
		if r.Versions[i].Withdrawn != nil {
			continue
		}
		services, err := legacyServices(e)
		if err != nil {
			return legacyRecipe{}, err
		}
		l.Versions = append(l.Versions, map[string]map[string]legacyImage{e.Version: services})
	}
	return l, nil
}

// legacyPart is a recipe's part of recipes.json as text, checked.
func legacyPart(r *Recipe, entries []*Entry) (json.RawMessage, error) {
	l, err := legacyOf(r, entries)
	if err != nil {
		return nil, err
	}
	whole, err := encode(map[string]legacyRecipe{r.Name: l}, "")
	if err == nil {
		err = checkSchema("recipes", whole)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: %s %w", recipesName, r.Name, err)
	}
	return json.Marshal(l)
}

// legacyText is legacyPart for what was checked before.
func legacyText(r *Recipe, entries []*Entry) (json.RawMessage, error) {
	l, err := legacyOf(r, entries)
	if err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// encodeLegacy writes recipes.json from its parts.
func encodeLegacy(parts map[string]json.RawMessage) ([]byte, error) { return encode(parts, "    ") }

// legacyServices has one image for each service: the base's, where overlays
// name others.
func legacyServices(e *Entry) (map[string]legacyImage, error) {
	services := map[string]legacyImage{}
	for _, image := range e.Images {
		ref, err := registry.ParseReference(image.Reference)
		if err != nil {
			return nil, err
		}
		name := registry.Reference{Domain: ref.Domain, Path: ref.Path}.Familiar()
		for _, service := range image.Services {
			if _, ok := services[service]; !ok {
				services[service] = legacyImage{Image: name, Tag: ref.Tag, Digest: image.Digest}
			}
		}
	}
	return services, nil
}

func sshURL(repository string) string {
	if strings.HasPrefix(repository, "ssh://") || !strings.Contains(repository, "://") {
		return repository
	}
	return ""
}
