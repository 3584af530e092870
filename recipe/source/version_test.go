package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

func TestVersions(t *testing.T) {
	r := newRepo(t)
	first := r.commit("first")
	r.annotate("10.0.0+2.0")
	r.annotate("2.0.0+1.9")
	second := r.commit("second")
	r.git("tag", "1.0.0+1.0")
	r.annotate("not-a-version")
	r.git("tag", "blob", r.blob("x"))
	r.annotate("annotated-blob", r.blob("x"))
	r.git("tag", "a-tree", "HEAD^{tree}")
	r.annotate("dir/nested", "2.0.0+1.9")

	versions := versionsOf(t, open(t, r.dir, Options{}))
	if got, want := names(versions), "1.0.0+1.0 2.0.0+1.9 10.0.0+2.0 a-tree annotated-blob blob dir/nested not-a-version"; got != want {
		t.Fatalf("versions = %s\nwant       %s", got, want)
	}
	byName := map[string]Version{}
	for _, v := range versions {
		byName[v.Name] = v
	}
	date := time.Date(2024, 5, 6, 5, 8, 9, 0, time.UTC)

	annotated := byName["2.0.0+1.9"]
	parsed, err := recipe.ParseVersion("2.0.0+1.9")
	if err != nil {
		t.Fatal(err)
	}
	want := Version{
		Name: "2.0.0+1.9", Tag: r.git("rev-parse", "2.0.0+1.9"), Commit: first, Annotated: true, Date: date,
		Tagger: Person{"Ada", "ada@example.org"}, Message: "chore: publish 2.0.0+1.9 release", Parsed: parsed,
	}
	if annotated.Parsed.Compare(parsed) != 0 {
		t.Errorf("parsed = %v, want %v", annotated.Parsed, parsed)
	}
	annotated.Parsed, want.Parsed = recipe.Version{}, recipe.Version{}
	if annotated != want {
		t.Errorf("annotated tag = %+v\nwant %+v", annotated, want)
	}
	if annotated.Date.Location() != time.UTC {
		t.Errorf("date is in %v, want UTC", annotated.Date.Location())
	}

	light := byName["1.0.0+1.0"]
	if light.Annotated || light.Tag != "" || light.Commit != second || !light.Date.Equal(date) || light.Message != "" || light.Err != nil {
		t.Errorf("lightweight tag = %+v", light)
	}
	if nested := byName["dir/nested"]; nested.Commit != first || nested.Tag != r.git("rev-parse", "dir/nested") || nested.Err != nil {
		t.Errorf("nested tag = %+v", nested)
	}
	for name, reason := range map[string]string{"blob": "leads to a blob", "annotated-blob": "leads to a blob", "a-tree": "leads to a tree"} {
		v := byName[name]
		if v.Err == nil || v.Commit != "" || !strings.Contains(v.Err.Error(), reason) {
			t.Errorf("tag %q: commit %q, error %v; want one with %q", name, v.Commit, v.Err, reason)
		}
	}
	if v := byName["annotated-blob"]; !v.Annotated || v.Message == "" {
		t.Errorf("a tag of a blob lost what it says of itself: %+v", v)
	}
}

func TestVersionsBoundsNestedTags(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	target := "HEAD"
	for _, name := range []string{"t1", "t2", "t3", "t4", "t5", "t6", "t7"} {
		r.annotate(name, target)
		target = name
	}
	for _, v := range versionsOf(t, open(t, r.dir, Options{})) {
		if tooDeep := v.Name > "t5"; tooDeep != (v.Err != nil) {
			t.Errorf("tag %q: error = %v", v.Name, v.Err)
		}
	}
}

func TestVersionsOfSignedTagHasNoSignature(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("first")
	tag := "object " + commit + "\ntype commit\ntag 1.0.0+1.0\ntagger Ada <ada@example.org> 1700000000 +0000\n\n" +
		"the message\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
	hash := r.gitIn(tag, "hash-object", "-t", "tag", "-w", "--stdin")
	r.git("update-ref", "refs/tags/1.0.0+1.0", hash)
	if v := versionsOf(t, open(t, r.dir, Options{}))[0]; v.Message != "the message" || v.Commit != commit {
		t.Errorf("version = %+v, want the message alone", v)
	}
}

func TestVersionsOfOddTags(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("first")
	for name, tagger := range map[string]string{
		"no-tagger":   "",
		"year-10000":  "tagger Ada <ada@example.org> 253402300800 +0000\n",
		"not-unicode": "tagger A\xffda <ada@example.org> 1700000000 +0000\n",
	} {
		tag := "object " + commit + "\ntype commit\ntag " + name + "\n" + tagger + "\nmessage \xfe\n"
		hash := r.gitIn(tag, "hash-object", "-t", "tag", "-w", "--stdin", "--literally")
		r.git("update-ref", "refs/tags/"+name, hash)
	}
	committed := time.Date(2024, 5, 6, 5, 8, 9, 0, time.UTC)
	for _, v := range versionsOf(t, open(t, r.dir, Options{})) {
		if v.Err != nil || v.Message != "message \uFFFD" {
			t.Errorf("%s: message %q, error %v", v.Name, v.Message, v.Err)
		}
		if v.Name == "not-unicode" {
			if v.Tagger.Name != "A\uFFFDda" {
				t.Errorf("tagger = %q", v.Tagger.Name)
			}
			continue
		}
		if !v.Date.Equal(committed) {
			t.Errorf("%s: date = %v, want the commit's", v.Name, v.Date)
		}
	}
}

func TestVersionsOfRepositoryWithoutTags(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	if versions := versionsOf(t, open(t, r.dir, Options{})); len(versions) != 0 {
		t.Errorf("versions = %v, want none", versions)
	}
}

func TestVersionsWithBrokenRefs(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	r.annotate("1.0.0+1.0")
	tags := filepath.Join(r.dir, ".git", "refs", "tags")
	for name, content := range map[string]string{
		"garbage": "this is no hash\n",
		"missing": "00112233445566778899aabbccddeeff00112233\n",
		"nowhere": "ref: refs/tags/nothing\n",
		"looping": "ref: refs/tags/looping\n",
	} {
		if err := os.WriteFile(filepath.Join(tags, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	versions := versionsOf(t, open(t, r.dir, Options{}))
	if len(versions) != 5 || versions[0].Err != nil {
		t.Fatalf("versions = %+v, want the good one first of five", versions)
	}
	for _, v := range versions[1:] {
		if v.Err == nil {
			t.Errorf("tag %q has no error", v.Name)
		}
	}
}

func TestVersionsStopsWithItsContext(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	r.annotate("1.0.0+1.0")
	opened := open(t, r.dir, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened.Versions(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}

// object is the file of a loose object.
func (r repo) object(hash string) string {
	return filepath.Join(r.dir, ".git", "objects", hash[:2], hash[2:])
}

func TestVersionsWithCorruptObjects(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	r.annotate("1.0.0+1.0")
	r.commit("second")
	r.annotate("2.0.0+1.0")
	r.commit("third")
	r.annotate("3.0.0+1.0")
	r.commit("fourth")
	r.annotate("4.0.0+1.0")

	overwrite := func(hash string, data []byte) {
		t.Helper()
		if err := os.Remove(r.object(hash)); err != nil {
			t.Fatal(err)
		}
		if data == nil {
			return
		}
		if err := os.WriteFile(r.object(hash), data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	another, err := os.ReadFile(r.object(r.git("rev-parse", "1.0.0+1.0^{commit}")))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(r.git("rev-parse", "2.0.0+1.0^{commit}"), another)         // sound, and another object
	overwrite(r.git("rev-parse", "3.0.0+1.0^{tag}"), []byte("not zlib")) // unreadable
	overwrite(r.git("rev-parse", "4.0.0+1.0^{commit}"), nil)             // missing
	for i, v := range versionsOf(t, open(t, r.dir, Options{})) {
		if i == 0 {
			if v.Err != nil {
				t.Errorf("the sound version has the error %v", v.Err)
			}
			continue
		}
		if !errors.Is(v.Err, ErrCorrupt) || v.Commit != "" || !strings.Contains(fault.HintOf(v.Err), "fsck") {
			t.Errorf("%s: commit %q, error %v, hint %q; want a corrupt object", v.Name, v.Commit, v.Err, fault.HintOf(v.Err))
		}
	}
}

func TestObjectsAreFoundAfterARepack(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.commit("first")
	r.annotate("1.0.0+1.0")
	r.git("repack", "-adq")
	opened := open(t, r.dir, Options{})
	versionsOf(t, opened)
	r.commit("second")
	r.git("repack", "-adfq")
	r.git("prune-packed")
	if v := versionsOf(t, opened)[0]; v.Err != nil {
		t.Errorf("after a repack: %v", v.Err)
	}
}
