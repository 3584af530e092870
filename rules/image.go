package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

// image is one image line of a compose file, read with one set of values.
type image struct {
	service string
	node    recipe.Node
	reading expansion
	ref     registry.Reference // what the text says, a placeholder's part in it included
	err     error              // why the text is no image reference
	tag     string
	// tagFrom and tagTo are bytes of the reading's text, 0 and 0 without a tag.
	tagFrom, tagTo int
}

// eachImage calls judge with every image line, once, even where an anchor makes
// it the image of many services. Variables have their defaults first; when judge
// then finds nothing, they are as a deploy of the unedited sample fills them in.
func eachImage(p *lint.Pass, judge func(image) (reported bool)) {
	type key struct{}
	for _, reading := range lint.Once(p, key{}, func() [][]image { return readings(p) }) {
		for _, i := range reading {
			if judge(i) {
				break
			}
		}
	}
}

// readings are the images of all services, each as the defaults give it and,
// where that differs, as an unedited sample would.
func readings(p *lint.Pass) [][]image {
	var all [][]image
	v := recipeValues(p.Recipe)
	seen := map[recipe.Range]bool{}
	for _, service := range p.Services() {
		node := service.Node.Get("image")
		if !node.IsString() || node.Text() == "" || seen[node.Range()] {
			continue
		}
		seen[node.Range()] = true
		v.deployed = false
		reading := v.expand(node.Text())
		both := []image{readImage(service.Name, node, reading)}
		v.deployed = true
		if other := v.expand(node.Text()); other.text != reading.text {
			both = append(both, readImage(service.Name, node, other))
		}
		all = append(all, both)
	}
	return all
}

func readImage(service string, node recipe.Node, reading expansion) image {
	i := image{service: service, node: node, reading: reading}
	ref, err := registry.ParseReference(reading.text)
	if i.ref = ref; err != nil && !reading.guessed() {
		i.err = err
	}
	name, _, _ := strings.Cut(reading.text, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		i.tag, i.tagFrom, i.tagTo = name[colon+1:], colon+1, len(name)
	}
	return i
}

// guessed tells whether a placeholder stands in the text.
func (e expansion) guessed() bool {
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.unknown })
}

// written is the image as the file has it, for messages.
func (i image) written() string { return shorten(i.node.Text()) }

// place is where the whole image stands.
func (i image) place() recipe.Range { return firstLine(i.node) }

// tagPlace is where the tag stands, or the variable that gives it.
func (i image) tagPlace() recipe.Range {
	from, to, ok := i.reading.source(i.tagFrom, i.tagTo)
	if !ok {
		return i.place()
	}
	return i.node.Sub(from, to)
}

// tagUnknown names the first variable in the tag that nobody gives a value.
func (i image) tagUnknown() (name string, unknown bool) {
	for _, p := range i.reading.covering(i.tagFrom, i.tagTo) {
		if p.unknown {
			return p.name, true
		}
	}
	return "", false
}

// tagOrigin says which variables the tag was read through, "" for a plain tag,
// and points at values that stand in other files.
func (i image) tagOrigin() (string, []lint.Option) {
	var said []string
	var options []lint.Option
	for _, p := range i.reading.covering(i.tagFrom, i.tagTo) {
		if p.origin == "" {
			continue
		}
		words := fmt.Sprintf("the default of ${%s}", p.name)
		if p.at.File != "" {
			words = fmt.Sprintf("${%s} in %s", p.name, p.origin)
			options = append(options, lint.WithRelated(p.at, fmt.Sprintf("%s has its value here", p.name)))
		}
		if !slices.Contains(said, words) {
			said = append(said, words)
		}
	}
	if len(said) == 0 {
		return "", nil
	}
	return " (from " + strings.Join(said, " and ") + ")", options
}
