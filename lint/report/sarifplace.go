package report

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

func sarifLocation(file string, start, end recipe.Position) *sarif.Location {
	place := sarif.NewPhysicalLocation()
	place.ArtifactLocation = sarifFile(file)
	place.Region = sarifRegion(start, end)
	location := sarif.NewLocation()
	location.PhysicalLocation = place
	return location
}

// sarifFile is a file as a URI reference (SARIF 3.4.3): blanks and other
// letters are percent-encoded.
func sarifFile(file string) *sarif.ArtifactLocation {
	at := sarif.NewArtifactLocation()
	address := url.URL{Path: file}
	if path.IsAbs(file) {
		address.Scheme = "file"
		at.URI = pointer(address.String())
		return at
	}
	at.URI = pointer(address.String())
	at.URIBaseID = pointer("%SRCROOT%")
	return at
}

// sarifRegion has both ends; endColumn is exclusive (SARIF 3.30.8), as ours is.
func sarifRegion(start, end recipe.Position) *sarif.Region {
	region := sarif.NewRegion()
	region.StartLine, region.StartColumn = pointer(start.Line), pointer(start.Column)
	region.EndLine, region.EndColumn = pointer(end.Line), pointer(end.Column)
	return region
}

func sarifMessage(text string) *sarif.Message {
	message := sarif.NewMessage()
	message.Text = pointer(plainText(text))
	return message
}

var (
	placeholder = regexp.MustCompile(`\{\d+\}`)
	linkOpening = strings.NewReplacer(`](`, `\](`)
)

// plainText is text for a message string, in which {0} is a placeholder
// (SARIF 3.11.5) and [a](b) a link (3.11.6). Other braces stay single, though
// the standard would double them: what people read the reports with shows them as
// they are, and ${X:-y} means nothing else.
func plainText(text string) string {
	text = linkOpening.Replace(visible(text))
	return placeholder.ReplaceAllString(text, "{$0}")
}

// sarifFix is a fix with its edits by file, in the order they come.
func sarifFix(fix *lint.Fix) *sarif.Fix {
	out := sarif.NewFix()
	out.Description = sarifMessage(fixTitle(fix))
	changes := map[string]*sarif.ArtifactChange{}
	for _, edit := range fix.Edits {
		change := changes[edit.File]
		if change == nil {
			change = sarif.NewArtifactChange()
			change.ArtifactLocation = sarifFile(edit.File)
			changes[edit.File] = change
			out.ArtifactChanges = append(out.ArtifactChanges, change)
		}
		replacement := sarif.NewReplacement()
		replacement.DeletedRegion = sarifRegion(edit.Start, edit.End)
		replacement.InsertedContent = &sarif.ArtifactContent{Text: pointer(edit.Text)}
		change.Replacements = append(change.Replacements, replacement)
	}
	return out
}

// fixTitle says what a fix does, and whether it can do more.
func fixTitle(fix *lint.Fix) string {
	if fix.Safe {
		return fix.Message
	}
	return fix.Message + " (unsafe: it can change what the recipe does)"
}
