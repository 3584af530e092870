package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/localregistry"
)

// The size that the figures in docs/benchmarks.md are for.
const (
	benchRepositories = 200
	benchTags         = 5
	benchLatency      = 20 * time.Millisecond
	benchPerHost      = 16
)

// BenchmarkDigests resolves 1,000 unchanged references over 200 repositories of
// a registry 20 ms away, and in the same run sends the same number of plain
// HEADs at the same concurrency: what any client needs at least. Reported are
// the ratio of the two (1 is as fast as plain HEADs) and the requests of each
// reference.
func BenchmarkDigests(b *testing.B) {
	kinds := map[string][]localregistry.Option{
		"open":   nil,
		"bearer": {localregistry.WithBearer("", "")},
	}
	for name, opts := range kinds {
		b.Run(name, func(b *testing.B) { benchDigests(b, opts) })
	}
}

func benchDigests(b *testing.B, opts []localregistry.Option) {
	reg := localregistry.StartT(b, append(opts, localregistry.WithLatency(benchLatency))...)
	refs := pushMany(b, reg)
	dir := b.TempDir()
	resolveMany(b, dir, refs)
	plain := localregistry.StartT(b, localregistry.WithLatency(benchLatency))
	pushMany(b, plain)
	var baseline, ours time.Duration
	var stats Stats
	for b.Loop() {
		started := time.Now()
		plainHeads(b, plain.Addr)
		baseline += time.Since(started)
		started = time.Now()
		stats = resolveMany(b, dir, refs)
		ours += time.Since(started)
	}
	n := float64(len(refs))
	b.ReportMetric(float64(baseline)/float64(ours), "ratio")
	b.ReportMetric(float64(stats.Heads+stats.Gets+stats.Auths)/n, "requests/ref")
	b.ReportMetric(float64(stats.Auths), "auths/op")
	b.ReportMetric(n*float64(b.N)/ours.Seconds(), "refs/s")
	b.ReportMetric(n*float64(b.N)/baseline.Seconds(), "plain/s")
}

func pushMany(b *testing.B, reg *localregistry.Registry) (refs []string) {
	for i := range benchRepositories * benchTags {
		name := fmt.Sprintf("team/app%03d:1.%d", i%benchRepositories, i/benchRepositories)
		reg.PushT(b, name, localregistry.TinyT(b, name))
		refs = append(refs, reg.Addr+"/"+name)
	}
	return refs
}

func resolveMany(b *testing.B, dir string, refs []string) Stats {
	r := resolverFor(b, func(o *Options) { o.CacheDir, o.PerHost = dir, benchPerHost })
	defer r.Close()
	for ref, res := range r.ResolveAll(b.Context(), refs, nil) {
		if res.Err != nil {
			b.Fatalf("%s: %v", ref, res.Err)
		}
	}
	return r.Stats()
}

// plainHeads is the baseline: net/http and nothing else.
func plainHeads(b *testing.B, addr string) {
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchPerHost}}
	defer client.CloseIdleConnections()
	accept := strings.Join([]string{
		string(types.OCIImageIndex), string(types.OCIManifestSchema1),
		string(types.DockerManifestList), string(types.DockerManifestSchema2),
	}, ",")
	var workers errgroup.Group
	workers.SetLimit(benchPerHost)
	for i := range benchRepositories * benchTags {
		url := fmt.Sprintf("http://%s/v2/team/app%03d/manifests/1.%d", addr, i%benchRepositories, i/benchRepositories)
		workers.Go(func() error { return plainHead(b.Context(), &client, url, accept) })
	}
	if err := workers.Wait(); err != nil {
		b.Fatal(err)
	}
}

func plainHead(ctx context.Context, client *http.Client, url, accept string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HEAD %s: %s", url, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
