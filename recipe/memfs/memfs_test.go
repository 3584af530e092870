package memfs

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFSIsAFileSystem(t *testing.T) {
	fsys, err := New(map[string]File{
		"compose.yml":        {Data: []byte("services: {}\n")},
		"entrypoint.sh":      {Data: []byte("#!/bin/sh\n"), Exec: true},
		"release/next":       {Data: []byte("notes")},
		"a/b/c/d.txt":        {},
		"release/1.0.0+2.0":  {Data: []byte("more notes")},
		"README.md":          {Data: []byte("héllo")},
		"a-file-next-to-a":   {},
		"a/b.txt":            {},
		"überlänge/ß.tmpl":   {},
		"with space/x y.yml": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "compose.yml", "entrypoint.sh", "release/next", "a/b/c/d.txt", "überlänge/ß.tmpl"); err != nil {
		t.Error(err)
	}
	info, err := fs.Stat(fsys, "entrypoint.sh")
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("mode of an executable = %v, %v; want 0755", info, err)
	}
}

func TestEmptyFSHasARoot(t *testing.T) {
	fsys, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys); err != nil {
		t.Error(err)
	}
}

func TestReadFileGivesACopy(t *testing.T) {
	fsys, err := New(map[string]File{"x": {Data: []byte("abc")}})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := fsys.ReadFile("x")
	first[0] = 'Z'
	if second, _ := fsys.ReadFile("x"); string(second) != "abc" {
		t.Errorf("content after a caller's change = %q, want abc", second)
	}
}

func TestErrorsOfPaths(t *testing.T) {
	fsys, err := New(map[string]File{"dir/file": {}})
	if err != nil {
		t.Fatal(err)
	}
	_, missing := fsys.Open("dir/none")
	_, invalid := fsys.Open("../dir/file")
	_, notAFile := fsys.ReadFile("dir")
	_, notADir := fsys.ReadDir("dir/file")
	for name, c := range map[string]struct{ got, want error }{
		"missing file":     {missing, fs.ErrNotExist},
		"escaping path":    {invalid, fs.ErrInvalid},
		"reading a folder": {notAFile, fs.ErrInvalid},
		"listing a file":   {notADir, fs.ErrInvalid},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: error = %v, want %v", name, c.got, c.want)
		}
	}
}

func TestNewRefusesPaths(t *testing.T) {
	for path, reason := range map[string]string{
		"":                              "not a file's name",
		".":                             "not a file's name",
		"/etc/passwd":                   "not a file's name",
		"a//b":                          "not a file's name",
		"a/":                            "not a file's name",
		"../a":                          "not a file's name",
		"a/../../b":                     "not a file's name",
		`a\b`:                           "backslash",
		"a\x00b":                        "control character",
		"a\nb":                          "control character",
		"a\u009bb":                      "control character",
		"a\xff":                         "not valid UTF-8",
		".git/config":                   "git's own",
		"sub/.GIT/hooks/x":              "git's own",
		strings.Repeat("n", 256):        "longer than 255 bytes",
		strings.Repeat("d/", 64) + "e":  "64 folders deep",
		strings.Repeat("d/", 1e6) + "e": "64 folders deep",
	} {
		_, err := New(map[string]File{path: {}})
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("New with path %.40q: error = %v, want one with %q", path, err, reason)
		}
	}
}

func TestNewRefusesAFileThatIsAFolder(t *testing.T) {
	for _, files := range []map[string]File{
		{"a": {}, "a/b": {}},
		{"a/b": {}, "a/b/c/d": {}},
	} {
		if _, err := New(files); err == nil || !strings.Contains(err.Error(), "both a file and a folder") {
			t.Errorf("New(%v): error = %v", files, err)
		}
	}
}
