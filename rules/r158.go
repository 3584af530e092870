package rules

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r158 = lint.Rule{
	ID: "R158", Name: "template-syntax",
	Summary:    "templates parse, with the functions that swarm has",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkTemplateSyntax,
}

var (
	templateError    = regexp.MustCompile(`^template: .*?:([0-9]+): (.*)$`)
	templateFunction = regexp.MustCompile(`^function "([^"]+)" not defined$`)
)

func checkTemplateSyntax(p *lint.Pass) {
	said := map[string]bool{}
	for _, t := range templates(p) {
		if t.err == nil || said[t.path] {
			continue
		}
		said[t.path] = true
		at, message := templateProblem(t.text, t.err)
		p.Report(at, message, lint.WithRelated(t.object.KeyRange(), t.kind+" \""+t.key+"\" is made of the template"))
	}
}

// templateProblem finds where the parser's error stands: it tells the line.
func templateProblem(text *recipe.Text, err error) (recipe.Range, string) {
	said := shorten(err.Error())
	line := 1
	if parts := templateError.FindStringSubmatch(err.Error()); parts != nil {
		line, _ = strconv.Atoi(parts[1])
		said = shorten(parts[2])
	}
	line = max(1, min(line, text.Lines()))
	at := text.LineRange(line)
	content := text.Line(line)
	if function := templateFunction.FindStringSubmatch(said); function != nil {
		if i := strings.Index(content, function[1]); i >= 0 {
			at = within(at, content, i, i+len(function[1]))
		}
		return at, "swarm's templates have no function " + strconv.Quote(function[1]) + ", so tasks are rejected; expected " + either(templateNames[:4]) + ", or one of Go's"
	}
	return at, "swarm cannot read the template at " + strconv.Quote(shorten(content)) + ", so tasks are rejected: " + said
}
