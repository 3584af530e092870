package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d507 = lint.Rule{
	ID: "D507", Name: "image-quotes",
	Summary: "images are not in quotes",
	Off:     true,
	Check:   checkImageQuotes,
}

func checkImageQuotes(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		seen := once{}
		for _, service := range d.Lookup("services").Pairs() {
			image := service.Get("image")
			if !image.Quoted() || !seen.first(image.Range()) || !plainImage(image.Text()) {
				continue
			}
			at, text := image.Range(), image.Text()
			if !asWritten(image, `"`+text+`"`) && !asWritten(image, "'"+text+"'") || !ownLine(image) {
				continue
			}
			slips = append(slips, slip{
				at: at, message: fmt.Sprintf("image %s is in quotes; expected none", shorten(text)),
				fix: "take the quotes away", edits: []lint.Edit{replaced(at, text)},
			})
		}
		reportSlips(p, d, slips, true)
	})
}

// plainImage tells whether every reader of YAML takes a text for a string that
// stands there without quotes.
func plainImage(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	const characters = letters + "0123456789._-/:@${}"
	if text == "" || !strings.ContainsAny(text, ":/") {
		return false
	}
	for i := range len(text) {
		if strings.IndexByte(characters, text[i]) < 0 {
			return false
		}
	}
	return strings.IndexByte(letters+"$", text[0]) >= 0 && text[len(text)-1] != ':'
}

// ownLine tells whether nothing but its key is before a value on its line.
func ownLine(n recipe.Node) bool {
	line := n.Document().Text.Line(n.Range().Start.Line)
	before, _, _ := strings.Cut(strings.TrimLeft(line, " "), ":")
	return before == n.Key() && n.KeyRange().Start.Line == n.Range().Start.Line
}
