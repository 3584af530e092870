package lsp

import (
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// pathOf is the slash-separated path of the file that a URI names, false for
// what is no file on this machine.
func pathOf(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || !strings.EqualFold(u.Scheme, "file") || u.Host != "" && !strings.EqualFold(u.Host, "localhost") {
		return "", false
	}
	name := u.Path
	if runtime.GOOS == "windows" {
		name = strings.TrimPrefix(name, "/") // /c:/stacks
	}
	if strings.ContainsRune(name, 0) || !filepath.IsAbs(filepath.FromSlash(name)) {
		return "", false
	}
	name = path.Clean(name)
	return name, path.Base(name) != "/"
}

// uriOf is the URI of a file that no document is open for.
func uriOf(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	u := url.URL{Scheme: "file", Path: name}
	return u.String()
}

// within tells whether a path is dir or below it.
func within(dir, name string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
