package rules

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s274 = lint.Rule{
	ID: "S274", Name: "shell-operator",
	Summary:  "commands that need a shell are given to one",
	Severity: lint.Warning,
	Check:    checkShellOperators,
}

// operators are words that only a shell acts upon.
var operators = []string{"&&", "||", "|", ";", ">", ">>", "2>&1", "<", "&"}

// checkShellOperators leaves health checks to S238.
func checkShellOperators(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		entrypoint := argumentWords(service.Node.Get("entrypoint"))
		if !shellFirst(entrypoint) && !shellFirst(baseEntrypoint(p, service)) {
			reportOperator(p, seen, "command", argumentWords(service.Node.Get("command")))
		}
		reportOperator(p, seen, "entrypoint", entrypoint)
	}
}

// baseEntrypoint is the entrypoint that an overlay's command is given to.
func baseEntrypoint(p *lint.Pass, service lint.Service) []argument {
	if !service.Overlay {
		return nil
	}
	return argumentWords(baseService(p.Recipe, service.Name).Get("entrypoint"))
}

func reportOperator(p *lint.Pass, seen once, key string, words []argument) {
	if len(words) == 0 || shellFirst(words) {
		return
	}
	for _, word := range words {
		if slices.Contains(operators, word.text) && seen.first(word.place()) {
			p.Report(word.place(), fmt.Sprintf("%s in %s is an argument like any other, since no shell reads it; expected sh -c", word.text, key))
			return
		}
	}
}

// argument is one argument of a command.
type argument struct {
	text     string
	node     recipe.Node
	from, to int // bytes of the node's text
}

func (a argument) place() recipe.Range {
	if a.from == 0 && a.to == len(a.node.Text()) {
		return a.node.Range()
	}
	return a.node.Sub(a.from, a.to)
}

// argumentWords are a command's arguments in list form, or roughly those of its
// text: quoted ones count as one and lose their text.
func argumentWords(n recipe.Node) []argument {
	var words []argument
	for _, item := range n.Items() {
		words = append(words, argument{item.Text(), item, 0, len(item.Text())})
	}
	if !n.IsString() {
		return words
	}
	text := n.Text()
	for i := 0; i < len(text); {
		if strings.IndexByte(" \t\n", text[i]) >= 0 {
			i++
			continue
		}
		end, quoted := wordEnd(text, i)
		word := argument{text[i:end], n, i, end}
		if quoted {
			word.text = strings.Trim(word.text, `"'`)
		}
		if quoted && slices.Contains(operators, word.text) {
			word.text = ""
		}
		words = append(words, word)
		i = end
	}
	return words
}

func wordEnd(text string, i int) (end int, quoted bool) {
	var quote byte
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, quoted = c, true
		case quote == 0 && strings.IndexByte(" \t\n", c) >= 0:
			return i, quoted
		}
	}
	return min(i, len(text)), quoted
}

// shells are programs that read operators in their arguments, or hand them on to
// one that does.
var shells = []string{"sh", "bash", "ash", "dash", "zsh", "ksh", "cmd", "powershell", "pwsh", "eval"}

// shellFirst tells whether a shell is among the words, or nobody can tell.
func shellFirst(words []argument) bool {
	return len(words) > 0 && len(recipe.Variables(words[0].text)) > 0 ||
		slices.ContainsFunc(words, func(w argument) bool { return slices.Contains(shells, path.Base(w.text)) })
}
