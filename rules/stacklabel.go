package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// Labels that recipes set and clients read: coop-cloud.${STACK_NAME}.<key>.
const (
	stackLabelPrefix = "coop-cloud."
	stackVariable    = "STACK_NAME"
	versionKey       = "version"
	timeoutKey       = "timeout"
	versionLabelName = stackLabelPrefix + "${" + stackVariable + "}." + versionKey
)

// stackLabel is a label coop-cloud.<stack>.<key> of a service.
type stackLabel struct {
	service    lint.Service
	name       string
	stack, key string // "${STACK_NAME}", "version"
	value      string
	node       recipe.Node // the list item, or the mapping's value
}

// stackLabels lists the labels in deploy.labels of all services, in the order of
// the text.
func stackLabels(p *lint.Pass) []stackLabel { return labelsAt(p, "deploy", "labels") }

func labelsAt(p *lint.Pass, path ...string) []stackLabel {
	var found []stackLabel
	for _, service := range p.Services() {
		labels := service.Node.Get(path...)
		for _, item := range labels.Items() {
			if name, value, _ := strings.Cut(item.Text(), "="); strings.HasPrefix(name, stackLabelPrefix) {
				found = append(found, newStackLabel(service, name, value, item))
			}
		}
		for name, value := range labels.Pairs() {
			if strings.HasPrefix(name, stackLabelPrefix) {
				found = append(found, newStackLabel(service, name, value.Text(), value))
			}
		}
	}
	return found
}

func newStackLabel(service lint.Service, name, value string, node recipe.Node) stackLabel {
	l := stackLabel{service: service, name: name, value: value, node: node}
	rest := name[len(stackLabelPrefix):]
	end := strings.IndexByte(rest, '.')
	if variables := recipe.Variables(rest); len(variables) > 0 && variables[0].Start == 0 {
		end = variables[0].End
	}
	if end < 0 {
		end = len(rest)
	}
	l.stack, l.key = rest[:end], strings.TrimSpace(strings.TrimPrefix(rest[end:], "."))
	return l
}

// inMap tells whether the label is a key of a mapping.
func (l stackLabel) inMap() bool { return l.node.Key() != "" }

// onApp tells whether the label is where clients look for it.
func (l stackLabel) onApp() bool { return l.service.Name == "app" }

// old tells whether the label is a version of the form of 2021, one for each
// service: coop-cloud.<stack>.<service>.version.
func (l stackLabel) old() bool {
	service, ok := strings.CutSuffix(l.key, "."+versionKey)
	return ok && service != "" && !strings.Contains(service, ".")
}

// namePlace is where the label's name stands.
func (l stackLabel) namePlace() recipe.Range {
	if l.inMap() {
		return l.node.KeyRange()
	}
	return l.node.Sub(0, len(l.name))
}

// stackPlace is where the stack's part of the name stands.
func (l stackLabel) stackPlace() recipe.Range {
	if l.inMap() {
		return l.node.KeyRange()
	}
	return l.node.Sub(len(stackLabelPrefix), len(stackLabelPrefix)+len(l.stack))
}

// keyPlace is where the key's part of the name stands, the name without a key.
func (l stackLabel) keyPlace() recipe.Range {
	if l.inMap() || l.key == "" {
		return l.namePlace()
	}
	from := len(l.name) - len(strings.TrimLeft(l.name[len(stackLabelPrefix)+len(l.stack):], "."))
	return l.node.Sub(from, len(strings.TrimRight(l.name, " ")))
}

// valuePlace is where the value stands, the name when it is empty.
func (l stackLabel) valuePlace() recipe.Range {
	if l.value == "" {
		return l.namePlace()
	}
	return l.valueSub(0, len(l.value))
}

// valueSub is where the bytes [from, to) of the value stand.
func (l stackLabel) valueSub(from, to int) recipe.Range {
	if l.inMap() {
		return l.node.Sub(from, to)
	}
	start := len(l.node.Text()) - len(l.value)
	return l.node.Sub(start+from, start+to)
}

// versionLabel is the label that says which version the recipe is: that of the
// base before one of an overlay. It is absent when it is no version.
func versionLabel(p *lint.Pass) (l stackLabel, v recipe.Version, ok bool) {
	for _, l := range stackLabels(p) {
		if l.key != versionKey || !l.onApp() {
			continue
		}
		if v, err := recipe.ParseVersion(l.value); err == nil {
			return l, v, true
		}
	}
	return stackLabel{}, recipe.Version{}, false
}

// appPlace is where the app's part of a version label's value stands.
func (l stackLabel) appPlace() recipe.Range {
	return l.valueSub(strings.IndexByte(l.value, '+')+1, len(l.value))
}

// exampleVersion is a version that the recipe could have, for messages.
func exampleVersion(p *lint.Pass) string {
	if i, ok := appImage(p, false); ok {
		return "1.0.0+" + i.tag
	}
	return "1.0.0+5.1.0"
}

// appImage is the image of the service app, of which the tag is known and could
// be a version's part; deployed is as for values.
func appImage(p *lint.Pass, deployed bool) (image, bool) {
	node := baseService(p.Recipe, "app").Get("image")
	if !node.IsString() {
		return image{}, false
	}
	v := recipeValues(p.Recipe)
	v.deployed = deployed
	i := readImage("app", node, v.expand(node.Text()))
	_, unknown := i.tagUnknown()
	_, err := recipe.ParseVersion("1.0.0+" + i.tag)
	return i, i.err == nil && !unknown && err == nil
}

// replace is a fix that puts one text in another's place.
func replace(r recipe.Range, text string, safe bool) lint.Option {
	return lint.WithFix(lint.Fix{
		Message: fmt.Sprintf("write %q", text), Safe: safe,
		Edits: []lint.Edit{{File: r.File, Start: r.Start, End: r.End, Text: text}},
	})
}
