package recipe

import (
	"path"
	"strings"
)

// NextNote is the name of the notes for the version to come.
const NextNote = "next"

// Note is the release notes of one version: the file release/<version>.
type Note struct {
	// Version is the file's name. That it is a version is not checked here:
	// Parsed tells.
	Version string
	Text    *Text
}

// ParseNote takes the version from the text's path.
func ParseNote(text *Text) Note { return Note{Version: path.Base(text.Path), Text: text} }

// Next says whether these are the notes for the version to come.
func (n Note) Next() bool { return n.Version == NextNote }

// Parsed is the version that the notes are for. The notes for the version to
// come have none, and a file of another name is an error.
func (n Note) Parsed() (Version, error) { return ParseVersion(n.Version) }

// Body is the notes' text with LF line ends, without blank lines around it. ""
// means that nothing was written.
func (n Note) Body() string {
	if n.Text == nil {
		return ""
	}
	text := strings.TrimPrefix(string(n.Text.Bytes), byteOrderMark)
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n"))
}
