package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

type registryCmd struct {
	Resolve resolveCmd `cmd:"" help:"Resolve image references to digests."`
}

type resolveCmd struct {
	Images   []string          `arg:"" name:"image" help:"Image references with a tag or a digest."`
	Rewrite  map[string]string `help:"Ask another registry: docker.io=mirror.example.org." placeholder:"FROM=TO"`
	Insecure []string          `help:"Registries that may be spoken to over plain http." placeholder:"HOST"`
	NoCache  bool              `help:"Do not read or keep what was learned before."`
}

func (resolveCmd) Help() string {
	return `Examples:
  galley registry resolve nginx:1.27
  galley registry resolve --output json traefik:v3.1 postgres:17

Credentials come from the docker config, as after "docker login".`
}

// Run resolves every image; one that fails does not stop the others.
func (c *resolveCmd) Run(ctx context.Context, s *streams) error {
	options := registry.Options{Rewrites: c.Rewrite, Insecure: c.Insecure, UserAgent: "galley/" + buildVersion()}
	if !c.NoCache {
		options.CacheDir = cacheDir("registry")
	}
	resolver := registry.New(options)
	defer resolver.Close()
	results := resolver.ResolveAll(ctx, c.Images, func(done, total int) { s.status("resolved %d of %d", done, total) })
	s.status("")
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.print(s, results)
}

// resolved is one reference in the JSON answer.
type resolved struct {
	Reference string          `json:"reference"`
	Digest    string          `json:"digest"`
	MediaType string          `json:"media_type"`
	Platforms []resolvedChild `json:"platforms"`
	Error     string          `json:"error"`
}

type resolvedChild struct {
	Platform string `json:"platform"`
	Manifest string `json:"manifest"`
	Config   string `json:"config"`
}

func (c *resolveCmd) print(s *streams, results map[string]registry.Result) error {
	var answer []resolved
	var rows [][]string
	var failed error
	for _, reference := range c.Images {
		result := results[reference]
		if result.Err != nil {
			if failed == nil {
				failed = result.Err
			} else if !s.json {
				s.notef("galley: error: %s\n", oneLine(result.Err.Error()))
			}
			answer = append(answer, resolved{Reference: reference, Platforms: []resolvedChild{}, Error: oneLine(result.Err.Error())})
			continue
		}
		one := resolved{Reference: result.Image.Reference, Digest: result.Image.Digest, MediaType: result.Image.MediaType, Platforms: []resolvedChild{}}
		rows = append(rows, []string{one.Reference, "index", one.Digest})
		if !result.Image.IsIndex() {
			rows[len(rows)-1][1] = "manifest"
		}
		for _, child := range result.Image.Children {
			one.Platforms = append(one.Platforms, resolvedChild{child.Platform.String(), child.Manifest, child.Config})
			rows = append(rows, []string{"", child.Platform.String(), child.Manifest})
		}
		answer = append(answer, one)
	}
	if s.json {
		if err := s.printJSON(map[string]any{"images": answer}); err != nil || failed == nil {
			return err
		}
		return answered{fault.KindOf(failed)}
	}
	if len(rows) > 0 {
		if err := s.table([]string{"REFERENCE", "PLATFORM", "DIGEST"}, rows); err != nil {
			return err
		}
	}
	return failed
}

// cacheDir is where facts that can be had again are kept, "" when the user has
// no such place.
func cacheDir(room string) string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "galley", room)
}
