package rules

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// config is a top-level config that a deploy creates from the recipe, as one
// compose file describes it; what an overlay leaves out is the base's.
type config struct {
	key        string
	file       string // "" for inline content
	driver     string
	data       []byte // nil for a file that cannot be read
	written    string // the name, with its variables
	name       string // the name that a deploy gives it, with ${STACK_NAME} in it
	known      bool   // the name depends on nothing that the recipe does not say
	fileNode   recipe.Node
	driverNode recipe.Node
	nameNode   recipe.Node // absent when the name is the key's
	export     recipe.Export
	hasExport  bool // the name holds the export's value
}

// configsOf lists the configs of all compose files. External ones, and those
// whose file depends on a variable, are left out.
func configsOf(r *recipe.Recipe) []config {
	var found []config
	for _, d := range r.Documents() {
		for key, node := range d.Lookup("configs").Pairs() {
			base := r.Base.Lookup("configs", key)
			if c, ok := readConfig(r, key, node, base); ok {
				found = append(found, c)
			}
		}
	}
	return found
}

func readConfig(r *recipe.Recipe, key string, node, base recipe.Node) (config, bool) {
	get := func(name string) recipe.Node {
		if n := node.Get(name); n.Exists() {
			return n
		}
		return base.Get(name)
	}
	if external := get("external"); external.IsMap() || external.Text() == "true" {
		return config{}, false
	}
	c := config{
		key: key, driver: get("template_driver").Text(),
		fileNode: get("file"), driverNode: get("template_driver"), nameNode: get("name"),
	}
	switch content := get("content"); {
	case c.fileNode.IsString() && c.fileNode.Text() != "" && !strings.Contains(c.fileNode.Text(), "$"):
		c.file = c.fileNode.Text()
		if r.Base != nil {
			c.file = path.Join(path.Dir(r.Base.Text.Path), c.file)
		}
		c.data, _ = r.ReadFile(c.file)
	case content.IsString():
		c.fileNode, c.data = content, []byte(content.Text())
	default:
		return config{}, false
	}
	c.fillName(r)
	return c, true
}

// fillName works out the name that a deploy gives the config. A variable that
// only the app's env file sets, or that the sample sets for the operator to keep,
// makes it unknown.
func (c *config) fillName(r *recipe.Recipe) {
	c.written = c.nameNode.Text()
	if c.written == "" {
		c.written = "${" + stackVariable + "}_" + c.key
	}
	c.known = true
	for _, v := range recipe.Variables(c.written) {
		if v.Name == stackVariable {
			continue
		}
		if r.Script != nil {
			if e, ok := r.Script.Get(v.Name); ok && e.Exported && !e.Dynamic && e.Value != "" {
				if !c.hasExport {
					c.export, c.hasExport = e, true
				}
				continue
			}
		}
		_, fallback := v.Default()
		sampled := false
		if r.Sample != nil {
			_, sampled = r.Sample.Get(v.Name)
		}
		c.known = c.known && fallback && !sampled
	}
	name, err := recipe.Expand(c.written, func(name string) (string, bool) {
		if name == stackVariable {
			return "${" + stackVariable + "}", true
		}
		if r.Script == nil {
			return "", false
		}
		e, ok := r.Script.Get(name)
		return e.Value, ok && e.Exported && !e.Dynamic
	})
	c.name, c.known = name, c.known && err == nil
}

// what names what the config is made of, for messages.
func (c config) what() string {
	if c.file == "" {
		return "content"
	}
	return c.fileNode.Text()
}

// same tells whether swarm would take one config for the other. It compares the
// bytes, and keeps the driver that a config was made with.
func (c config) same(other config) bool {
	return c.driver == other.driver && string(c.data) == string(other.data)
}

var counter = regexp.MustCompile(`^(.*?)([0-9]{1,9})$`)

// count takes the number off the end of "v3".
func count(version string) (prefix string, n int, ok bool) {
	m := counter.FindStringSubmatch(version)
	if m == nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(m[2])
	return m[1], n, err == nil
}

// counted is the version that follows one such as "v3", "" when it has no number.
func counted(version string) string {
	prefix, n, ok := count(version)
	if !ok {
		return ""
	}
	return prefix + strconv.Itoa(n+1)
}
