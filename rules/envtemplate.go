package rules

import (
	"bytes"
	"slices"
	"strconv"
	"text/template/parse"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// golangDriver is the one template driver that swarm has.
const golangDriver = "golang"

// maxTemplate is the largest template, in bytes, that is looked into. Real ones
// have a few kilobytes; swarm takes a config of less than 1,024,000.
const maxTemplate = 256 << 10

// templateNames are the functions of swarm's templates: its own (join, env,
// secret, config), and those of the Go package text/template.
var templateNames = []string{
	"join", "env", "secret", "config",
	"and", "call", "html", "index", "js", "len", "not", "or", "print", "printf", "println", "slice", "urlquery",
	"eq", "ge", "gt", "le", "lt", "ne",
}

// templated is the template that a config or secret is made of.
type templated struct {
	objectFile
	text *recipe.Text
	tree *parse.Tree
	err  error // why it does not parse
}

// templates parses the templates of the recipe that mention one of the words,
// all of them without words, each file once.
func templates(p *lint.Pass, words ...string) []templated {
	var found []templated
	functions := make(map[string]any, len(templateNames))
	for _, name := range templateNames {
		functions[name] = true
	}
	type file struct{ kind, key, path string }
	seen := map[file]bool{}
	for _, f := range objectFiles(p.Recipe) {
		at := file{f.kind, f.key, f.path}
		if seen[at] || fallback(f.object.Get("template_driver").Text()) != golangDriver {
			continue
		}
		seen[at] = true
		data := f.read(p.Recipe)
		if len(data) > maxTemplate || !bytes.Contains(data, []byte("{{")) || !mentionsAny(data, words) {
			continue
		}
		t := templated{objectFile: f, text: recipe.NewText(f.path, data)}
		trees, err := parse.Parse(f.path, string(data), "", "", functions)
		t.tree, t.err = trees[f.path], err
		found = append(found, t)
	}
	return found
}

func mentionsAny(data []byte, words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool { return bytes.Contains(data, []byte(word)) })
}

// call is one call of a function with a fixed text, such as env "DOMAIN".
type call struct {
	function, argument string
	at                 recipe.Range // of the argument, without its quotes
}

// calls lists the calls of env, secret and config, those in branches too.
func (t templated) calls() []call {
	var found []call
	if t.tree == nil || t.tree.Root == nil {
		return nil
	}
	walkTemplate(t.tree.Root, 0, func(c *parse.CommandNode) {
		if len(c.Args) != 2 {
			return
		}
		function, isFunction := c.Args[0].(*parse.IdentifierNode)
		argument, isText := c.Args[1].(*parse.StringNode)
		if !isFunction || !isText || function.Ident != "env" && function.Ident != "secret" && function.Ident != "config" {
			return
		}
		from := int(argument.Pos) + 1
		to := from + len(argument.Text)
		if text, err := strconv.Unquote(argument.Quoted); err != nil || len(text) != len(argument.Quoted)-2 {
			to = from + len(argument.Quoted) - 2
		}
		found = append(found, call{function.Ident, argument.Text, t.text.Range(from, to)})
	})
	return found
}

// maxTemplateDepth bounds branches within branches.
const maxTemplateDepth = 200

func walkTemplate(n parse.Node, depth int, visit func(*parse.CommandNode)) {
	if depth > maxTemplateDepth {
		return
	}
	walk := func(n parse.Node) { walkTemplate(n, depth+1, visit) }
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			walk(child)
		}
	case *parse.ActionNode:
		walk(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, c := range n.Cmds {
			visit(c)
			for _, argument := range c.Args {
				walk(argument)
			}
		}
	case *parse.IfNode:
		walk(n.Pipe)
		walk(n.List)
		walk(n.ElseList)
	case *parse.WithNode:
		walk(n.Pipe)
		walk(n.List)
		walk(n.ElseList)
	case *parse.RangeNode:
		walk(n.Pipe)
		walk(n.List)
		walk(n.ElseList)
	case *parse.TemplateNode:
		walk(n.Pipe)
	}
}

// consumers are the services that have a config or a secret, by any of the
// recipe's compose files.
func (f objectFile) consumers(r *recipe.Recipe) []string {
	var names []string
	seen := map[string]bool{}
	for _, d := range r.Documents() {
		for name, service := range d.Lookup("services").Pairs() {
			for _, m := range attached(service, f.kind+"s", "") {
				if m.source == f.key && !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
	return names
}
