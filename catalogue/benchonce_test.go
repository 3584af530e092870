package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/catbench"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/rules"
)

// benchCold builds everything from nothing, and in the same run does once, and
// alone, each part that no build could leave out: reading every file of every
// version, asking for every reference, judging, merging the models that images
// stand in, and writing bundles.
func (w *benchWorld) benchCold(b *testing.B, cfg Config) {
	var report *Report
	took := map[string]time.Duration{}
	timed := func(what string, do func() error) {
		began := time.Now()
		must(b, do())
		took[what] += time.Since(began)
	}
	for b.Loop() {
		for _, name := range []string{"cold", "cold-cache", "once"} {
			must(b, os.RemoveAll(w.path(name)))
		}
		timed("build", func() error { report = w.build(b, cfg, "cold"); return nil })
		timed("blobs", func() error { return everyVersion(b.Context(), cfg, readAllFiles) })
		timed("gets", func() error { return w.getAll(b.Context()) })
		timed("lint", func() error { return everyVersion(b.Context(), cfg, judge) })
		timed("models", func() error { return everyVersion(b.Context(), cfg, mergeModels()) })
		timed("bundles", func() error { return everyVersion(b.Context(), cfg, w.writeBundle) })
	}
	counts(b, report)
	blobs := took["blobs"]
	once := blobs + took["gets"]
	b.ReportMetric(took["build"].Seconds()/float64(b.N), "build-s")
	b.ReportMetric(took["build"].Seconds()/once.Seconds(), "ratio-blobs-gets")
	b.ReportMetric(blobs.Seconds()/float64(b.N), "blobs-s")
	b.ReportMetric(took["gets"].Seconds()/float64(b.N), "gets-s")
	for _, what := range []string{"lint", "models", "bundles"} { // each reads the files once more
		own := max(0, took[what]-blobs)
		once += own
		b.ReportMetric(own.Seconds()/float64(b.N), what+"-s")
	}
	b.ReportMetric(took["build"].Seconds()/once.Seconds(), "ratio-once")
}

// everyVersion gives each version's files, with the concurrency of a build.
func everyVersion(ctx context.Context, cfg Config, do func(context.Context, string, fs.FS) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide())
	for _, s := range cfg.Sources {
		group.Go(func() (err error) {
			repo, err := source.Open(ctx, s.Path, source.Options{})
			if err != nil {
				return err
			}
			defer repo.Close()
			versions, err := repo.Versions(ctx)
			for _, v := range versions {
				tree, err := repo.Tree(ctx, v.Commit)
				if err != nil {
					return err
				}
				if err := do(ctx, s.Name, tree); err != nil {
					return err
				}
			}
			return err
		})
	}
	return group.Wait()
}

func readAllFiles(_ context.Context, _ string, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = fs.ReadFile(tree, name)
		return err
	})
}

func judge(ctx context.Context, name string, tree fs.FS) error {
	r, err := recipe.Load(tree, recipe.Options{Name: name})
	if err != nil {
		return err
	}
	_, err = lint.Run(ctx, []lint.Target{{Path: name, Recipe: r}}, rules.All(), lint.Options{})
	return err
}

// mergeModels merges what is not like what was merged before, as a build does.
func mergeModels() func(context.Context, string, fs.FS) error {
	var known sync.Map // of each recipe
	return func(ctx context.Context, name string, tree fs.FS) error {
		r, err := recipe.Load(tree, recipe.Options{Name: name})
		if err != nil {
			return err
		}
		m, _ := known.LoadOrStore(name, &merged{})
		_, err = imagesOf(ctx, r, m.(*merged))
		return err
	}
}

func (w *benchWorld) writeBundle(_ context.Context, _ string, tree fs.FS) error {
	var tar bytes.Buffer
	if err := recipe.WriteBundle(&tar, tree); err != nil {
		return err
	}
	file := filepath.Join(w.path("once"), hashOf(tar.Bytes()))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, tar.Bytes(), 0o644)
}

// getAll asks once for each reference.
func (w *benchWorld) getAll(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(sideBySide())
	for n := range w.size.Images {
		group.Go(func() error {
			name, tag, _ := strings.Cut(catbench.Image(n), ":")
			url := fmt.Sprintf("http://%s/v2/%s/manifests/%s", w.registry.Addr, name, tag)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	return group.Wait()
}
