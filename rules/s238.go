package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s238 = lint.Rule{
	ID: "S238", Name: "healthcheck-shell",
	Summary:  "a health check's list runs what it looks like",
	Severity: lint.Warning,
	Check:    checkHealthcheckShell,
}

// shellOperators are words that only a shell understands.
var shellOperators = []string{"||", "&&", "|", ";", ">", ">>", "2>&1", ">/dev/null", "2>/dev/null", "&>/dev/null"}

func checkHealthcheckShell(p *lint.Pass) {
	eachDeployService(p, "healthcheck", func(f *deployFinder, s deployService) {
		test := s.get("healthcheck", "test")
		if !test.IsList() || test.Len() < 1 {
			return
		}
		first := test.Get("0")
		if !first.IsString() {
			return
		}
		switch first.Text() {
		case "CMD":
			checkExecTest(f, s, test)
		case "CMD-SHELL":
			if test.Len() > 2 {
				second := test.Get("1")
				f.report(firstLine(second), fmt.Sprintf("health check of service %q: behind CMD-SHELL the shell runs %q alone, without the %d words after it; expected one string, or CMD",
					s.name, shorten(second.Text()), test.Len()-2), replaceTest(test, first, "CMD")...)
			}
		case "NONE", "":
		default:
			f.report(firstLine(first), fmt.Sprintf("health check of service %q starts with %q, which the engine takes for no health check; expected CMD or CMD-SHELL first",
				s.name, shorten(first.Text())), beforeTest(first)...)
		}
	})
}

// checkExecTest looks at a list that is run without a shell.
func checkExecTest(f *deployFinder, s deployService, test recipe.Node) {
	second := test.Get("1")
	if test.Len() == 2 && strings.ContainsAny(strings.TrimSpace(second.Text()), " \n") && !strings.HasPrefix(second.Text(), "/") && second.IsString() {
		f.report(firstLine(second), fmt.Sprintf("health check of service %q: behind CMD %q is the name of one program, blanks included; expected a list of words, or CMD-SHELL",
			s.name, shorten(second.Text())), replaceTest(test, test.Get("0"), "CMD-SHELL")...)
		return
	}
	for i, item := range test.Items() {
		if i < 2 || !slices.Contains(shellOperators, item.Text()) || shellBefore(test, i) {
			continue
		}
		f.report(firstLine(item), fmt.Sprintf("health check of service %q: CMD hands %q to %q as a word, no shell reads it; expected CMD-SHELL with one string", s.name, item.Text(), shorten(second.Text())),
			joinTest(test)...)
		return
	}
}

// shellBefore tells whether a list's program could make something of an operator.
func shellBefore(test recipe.Node, i int) bool {
	switch test.Get("1").Text() {
	case "test", "[", "[[", "expr", "find", "echo", "printf", "awk", "jq", "sh", "bash", "/bin/sh", "/bin/bash", "ash":
		return true
	}
	return i > 2 && slices.Contains([]string{"-c", "-e", "--eval", "-exec"}, test.Get(fmt.Sprint(i-1)).Text())
}

// replaceTest changes a list's first word. What the check does changes with it.
func replaceTest(test, first recipe.Node, word string) []lint.Option {
	if first.Text() == "CMD-SHELL" {
		for _, item := range test.Items() {
			if slices.Contains(shellOperators, item.Text()) || strings.Contains(item.Text(), "$$") || strings.Contains(item.Text(), " ") {
				return nil
			}
		}
	}
	at := first.Sub(0, len(first.Text()))
	return []lint.Option{lint.WithFix(lint.Fix{Message: "say " + word, Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: word}}})}
}

// beforeTest puts CMD before a list's first word.
func beforeTest(first recipe.Node) []lint.Option {
	at := first.Range()
	if at.Start.Line != at.End.Line || !flowItem(first) {
		return nil
	}
	return []lint.Option{lint.WithFix(lint.Fix{Message: "put CMD first", Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.Start, Text: `"CMD", `}}})}
}

// flowItem tells whether a list's first item stands behind a bracket.
func flowItem(first recipe.Node) bool {
	text := first.Document().Text
	at := text.Offset(first.Range().Start)
	return at > 0 && strings.HasSuffix(strings.TrimRight(string(text.Bytes[:at]), " "), "[")
}

// joinTest makes one string of a list in brackets on one line.
func joinTest(test recipe.Node) []lint.Option {
	at := test.Range()
	if at.Start.Line != at.End.Line || !flowItem(test.Get("0")) {
		return nil
	}
	var words []string
	for i, item := range test.Items() {
		if i == 0 {
			continue
		}
		if strings.ContainsAny(item.Text(), " '\"\\`") {
			return nil
		}
		words = append(words, item.Text())
	}
	joined := `"` + strings.Join(words, " ") + `"`
	return []lint.Option{lint.WithFix(lint.Fix{Message: "let a shell run it", Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: `["CMD-SHELL", ` + joined + `]`}}})}
}
