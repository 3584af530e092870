package memfs

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDepth is how many folders deep a path may go. Recipes use two or three; the
// bound keeps a hostile tree from making every path as long as the tree is deep.
const MaxDepth = 64

// maxName is the longest path element, in bytes: what common file systems take.
const maxName = 255

// CheckName says why name cannot be one element of a path. The rules are: valid
// UTF-8 of 1 to 255 bytes; not "." or ".."; no slash, backslash, NUL or other
// control character; and not ".git" in any case, which a checkout would obey.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("name %q is not a file's name", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not valid UTF-8", name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("name %q contains a slash or a backslash", name)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("name %q contains a control character", name)
	case strings.EqualFold(name, ".git"):
		return fmt.Errorf("name %q is git's own", name)
	case len(name) > maxName:
		return fmt.Errorf("name %q… is longer than %d bytes", name[:32], maxName)
	}
	return nil
}

// CheckPath says why path cannot name a file below a root: each element must
// pass CheckName, the whole must pass fs.ValidPath (so no leading or trailing
// slash), and no more than MaxDepth elements are taken.
func CheckPath(path string) error {
	if strings.Count(path, "/") >= MaxDepth {
		return fmt.Errorf("path is more than %d folders deep", MaxDepth)
	}
	for name := range strings.SplitSeq(path, "/") {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("path %q: %w", path, err)
		}
	}
	if !fs.ValidPath(path) {
		return fmt.Errorf("path %q is not a relative slash-separated path", path)
	}
	return nil
}
