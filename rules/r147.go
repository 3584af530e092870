package rules

import (
	"bytes"
	"regexp"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r147 = lint.Rule{
	ID: "R147", Name: "template-leftover",
	Summary:    "nothing of the template that a recipe was made from is left",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkLeftovers,
}

// leftovers are what the template of new recipes has for a maintainer to
// replace, and the word for what is known to be broken. leftoverWords spare most
// files the search.
var (
	leftovers     = regexp.MustCompile(`\$\{REPO_NAME[A-Z_]*\}|\{\{ *\.?(?:REPO_NAME[A-Z_]*|RecipeName) *\}\}|One line description of the recipe|\bFIX` + `ME\b`)
	leftoverWords = [][]byte{[]byte("REPO_NAME"), []byte("RecipeName"), []byte("One line description"), []byte("FIX" + "ME")}
)

// checkLeftovers says the first one of each file. Those in the metadata are
// R007's, and those in comments of the other files are notes.
func checkLeftovers(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		if !bytesContainAny(d.Text.Bytes, leftoverWords) {
			continue
		}
		d.Root().Scalars(func(_ []string, n recipe.Node) {
			if at := leftovers.FindStringIndex(n.Text()); at != nil {
				p.Reportf(n.Sub(at[0], at[1]), "%q is left from a recipe template; expected the recipe's own", n.Text()[at[0]:at[1]])
			}
		})
	}
	if p.Recipe.Sample != nil {
		for _, v := range p.Recipe.Sample.Vars() {
			if at := leftovers.FindStringIndex(v.Raw); at != nil {
				p.Reportf(v.ValueRange, "%s has %q, which is left from a recipe template; expected the recipe's own", v.Name, v.Raw)
			}
		}
	}
	if p.Recipe.Readme != nil {
		checkReadmeLeftovers(p, p.Recipe.Readme)
	}
}

func checkReadmeLeftovers(p *lint.Pass, readme *recipe.Readme) {
	if !bytesContainAny(readme.Text.Bytes, leftoverWords) {
		return
	}
	except := recipe.Range{}
	if readme.Metadata != nil {
		except = readme.Metadata.Range
	}
	for _, at := range leftovers.FindAllIndex(readme.Text.Bytes, 100) {
		r := readme.Text.Range(at[0], at[1])
		if r.Start.Line >= except.Start.Line && r.Start.Line <= except.End.Line {
			continue
		}
		p.Reportf(r, "%q is left from a recipe template or unfinished; expected the recipe's own words", readme.Text.Bytes[at[0]:at[1]])
		return
	}
}

func bytesContainAny(data []byte, words [][]byte) bool {
	for _, word := range words {
		if bytes.Contains(data, word) {
			return true
		}
	}
	return false
}
