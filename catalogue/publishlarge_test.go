package catalogue

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/localregistry"
)

func TestPartsOfFiles(t *testing.T) {
	var names []string
	for i := range 10_000 {
		names = append(names, recipePath(fmt.Sprintf("recipe-%d", i)))
	}
	for i := range 512 {
		names = append(names, fmt.Sprintf("metadata/%d.bin-%03x.json", 1+i%7, i))
	}
	names = append(names, recipesName, indexName, trust.RootCopyName, trust.TimestampName)
	for _, role := range trust.Roles[:3] {
		names = append(names, trust.Name(role, 12))
	}
	counts := countsOf(names)
	if counts[metadataPart] != 16 || counts[recipesPart] != 32 || len(counts) != 2 {
		t.Errorf("counts %v", counts)
	}
	files := map[string]int{}
	for _, name := range names {
		title, ok := partOf(name, func(kind string) int { return counts[kind] })
		if !ok {
			t.Fatalf("%s is in no part", name)
		}
		files[title]++
	}
	if len(files) != 1+16+32 || files[corePart] != 7 {
		t.Errorf("%d parts, %v", len(files), files)
	}
	for title, n := range files {
		if n > 2*perRecipesPart || strings.HasPrefix(title, metadataPart) && n > 2*perMetadataPart {
			t.Errorf("%s has %d files", title, n)
		}
	}
	// Where a role's metadata is does not depend on its version.
	of := func(name string) string {
		title, _ := partOf(name, func(string) int { return 16 })
		return title
	}
	if of("metadata/1.bin-07.json") != of("metadata/22.bin-07.json") || of("metadata/1.bin-07.json") == corePart {
		t.Error("a new version is in another part")
	}
	if _, ok := partOf("metadata/1.bin-07.json", func(string) int { return 0 }); ok {
		t.Error("a part that is not there has a file")
	}
}

func TestContentHash(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for name, want := range map[string]bool{
		"v1/entries/" + hash + ".json": true, "v1/bundles/" + hash + ".tar": true,
		"v1/recipes/" + hash + ".web.json": true, hash + ".recipes.json": true, "v1/" + hash + ".index.json": true,
		"v1/recipes/" + hash + ".json": false, // a recipe of that name
		"v1/recipes/web.json":          false, "recipes.json": false, "metadata/" + hash + ".json": false,
		"v1/entries/" + hash[1:] + ".json": false, "v1/a/b/" + hash + ".json": false,
	} {
		if got, ok := contentHash(name); ok != want || ok && got != hash {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
}

// largeSource is a folder with files of such names and sizes as a large
// catalogue has. Only what publishing to a registry reads in them is right.
type largeSource struct {
	t       testing.TB
	dir     *disk.Dir
	version int64
	bins    int
	current map[string]string // as in publishSource
}

func (l *largeSource) write(name, content string) {
	l.t.Helper()
	must(l.t, l.dir.Write(name, []byte(content)))
}

// target writes a file that changes in place, and its copy.
func (l *largeSource) target(name, content string) {
	l.write(name, content)
	l.current[name] = trust.HashedName(name, hashOf([]byte(content)))
	l.write(l.current[name], content)
}

func (l *largeSource) recipe(name string, versions int) {
	head := []string{name}
	for v := range versions {
		bundle := strings.Repeat(fmt.Sprintf("bundle %s %d\n", name, v), 300)
		l.write(Bundle{SHA256: hashOf([]byte(bundle))}.Path(), bundle)
		entry := fmt.Sprintf(`{"version":"1.%d.0","bundle":{"sha256":%q}}`, v, hashOf([]byte(bundle)))
		l.write("v1/entries/"+hashOf([]byte(entry))+".json", entry)
		head = append(head, hashOf([]byte(entry)))
	}
	l.target(recipePath(name), strings.Join(head, "\n"))
}

// metadata writes version n of it all; only the bins below changed are new.
func (l *largeSource) metadata(changed int) {
	l.version++
	signed := func(role trust.Role, meta map[string]any) string {
		data, err := json.Marshal(map[string]any{"signatures": []string{}, "signed": map[string]any{
			"_type": string(role), "spec_version": "1.0.31", "version": l.version, "expires": "2030-01-01T00:00:00Z", "meta": meta,
		}})
		must(l.t, err)
		return string(data)
	}
	meta := map[string]any{"targets.json": map[string]any{"version": 1}}
	for i := range l.bins {
		version := int64(1)
		if i < changed {
			version = l.version
		}
		role := fmt.Sprintf("bin-%02x", i)
		meta[role+".json"] = map[string]any{"version": version}
		l.write(fmt.Sprintf("metadata/%d.%s.json", version, role), strings.Repeat(role, 700)+fmt.Sprint(version))
	}
	l.write(trust.Name(trust.Targets, 1), "targets")
	l.write(trust.Name(trust.Root, 1), "root")
	l.write(trust.RootCopyName, "root")
	l.write(trust.Name(trust.Snapshot, l.version), signed(trust.Snapshot, meta))
	l.write(trust.TimestampName, signed(trust.Timestamp, map[string]any{"snapshot.json": map[string]any{"version": l.version}}))
	l.target(indexName, fmt.Sprintf("index %d", l.version))
	l.target(recipesName, fmt.Sprintf("recipes %d", l.version))
}

func (l *largeSource) publish(target string) *Published {
	l.t.Helper()
	src := &publishSource{dir: l.dir, version: l.version, roots: map[string]string{}, current: l.current}
	var err error
	src.timestamp, err = l.dir.Read(trust.TimestampName, 1<<20)
	must(l.t, err)
	src.sizes, err = sizesOf(l.dir.Name())
	must(l.t, err)
	must(l.t, src.sort())
	out := &Published{}
	options := PublishOptions{Target: target, Timeout: 20 * time.Second, Progress: func(PublishEvent) {}}
	must(l.t, publishOCI(l.t.Context(), src, options, out))
	return out
}

// TestPublishCostsWhatChanged counts requests and bytes: they depend on what
// changed, not on how much there is.
func TestPublishCostsWhatChanged(t *testing.T) {
	dir, err := disk.Create(filepath.Join(t.TempDir(), "public"))
	must(t, err)
	defer dir.Close()
	l := &largeSource{t: t, dir: dir, bins: 128, current: map[string]string{trust.RootCopyName: trust.Name(trust.Root, 1)}}
	for i := range 60 {
		l.recipe(fmt.Sprintf("recipe-%d", i), 4)
	}
	l.metadata(0)
	reg := localregistry.StartT(t)
	target := "oci://" + reg.Addr + "/coop/catalogue"
	first := l.publish(target)
	none := l.publish(target)
	if none.Requests > 1 || none.Written != 0 {
		t.Errorf("no change: %+v", none)
	}
	l.recipe("recipe-7", 5)
	l.metadata(1)
	one := l.publish(target)
	// The head, an entry, a bundle, a bin, snapshot, timestamp, index and
	// recipes.json are 4 requests each.
	if one.Requests > 50 || one.WrittenBytes > 150_000 {
		t.Errorf("one recipe: %+v", one)
	}
	t.Logf("first: %+v\nno change: %+v\none recipe: %+v", first, none, one)

	from, err := openFetcher(target, nil, 10*time.Second)
	must(t, err)
	defer from.Close()
	reg.ResetCount()
	for _, name := range []string{trust.TimestampName, trust.Name(trust.Snapshot, 2), "metadata/2.bin-00.json", "metadata/1.bin-7f.json", recipePath("recipe-7"), recipePath("recipe-59")} {
		want, err := dir.Read(name, 1<<20)
		must(t, err)
		if got, err := from.Fetch(t.Context(), name, 1<<20); err != nil || string(got) != string(want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for _, name := range reg.Requests() {
		t.Log(strings.ReplaceAll(name, path.Join("/v2", "coop/catalogue"), ""))
	}
}
