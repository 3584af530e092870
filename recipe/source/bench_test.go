package source

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// benchRepo has 150 tagged versions of a recipe with a dozen files.
func benchRepo(b *testing.B) repo {
	b.Helper()
	r := newRepo(b)
	var stream strings.Builder
	for version := range 150 {
		fmt.Fprintf(&stream, "commit refs/heads/main\nmark :%d\ncommitter Ada <ada@example.org> %d +0000\ndata 1\nx\n", version+1, 1_700_000_000+version)
		for file := range 12 {
			content := fmt.Sprintf("# file %d\n%s", file, strings.Repeat("key: value\n", 200))
			if file == 0 {
				content = fmt.Sprintf("version: %d\n%s", version, content)
			}
			fmt.Fprintf(&stream, "M 100644 inline dir%d/file%d\ndata %d\n%s\n", file%3, file, len(content), content)
		}
		fmt.Fprintf(&stream, "tag %d.0.0+1.%d\nfrom :%d\ntagger Ada <ada@example.org> 1700000000 +0000\ndata 1\nx\n", version, version, version+1)
	}
	r.gitIn(stream.String(), "fast-import", "--quiet")
	r.git("repack", "-adq")
	return r
}

// BenchmarkVersions opens a repository of 150 tags and lists its versions.
func BenchmarkVersions(b *testing.B) {
	r := benchRepo(b)
	for b.Loop() {
		if versions := versionsOf(b, open(b, r.dir, Options{})); len(versions) != 150 || versions[149].Err != nil {
			b.Fatalf("%d versions", len(versions))
		}
	}
}

// BenchmarkTrees also reads every file of every version.
func BenchmarkTrees(b *testing.B) {
	r := benchRepo(b)
	for b.Loop() {
		opened := open(b, r.dir, Options{})
		for _, v := range versionsOf(b, opened) {
			tree := treeOf(b, opened, v.Commit)
			err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				_, err = fs.ReadFile(tree, name)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
