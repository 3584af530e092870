package lint

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// ConfigName is what a project's configuration is called.
const ConfigName = ".galley.yml"

// FailNever is the failing level that no finding reaches.
const FailNever = "never"

// Config is a project's configuration, .galley.yml: which rules run, how bad
// their findings are, and where. It is not changed once it is read.
type Config struct {
	// File is where it was read from.
	File string
	// Settings are for the rules themselves.
	Settings Settings
	// FailOn is the failing level: a severity's name, FailNever, or "".
	FailOn string

	rules   settings
	paths   []pathSettings
	enabled []string
	exclude []pattern
	named   []namedAt // every rule that it names, to be checked against those there are
	dir     string    // absolute: patterns are relative to it
}

// pathSettings are the settings of the files that match.
type pathSettings struct {
	match pattern
	rules settings
}

// namedAt is a rule's or a family's name and where it stands.
type namedAt struct {
	name string
	at   recipe.Range
}

// ParseConfig reads a configuration; name is for errors, which are of kind
// fault.Usage and name every place as file:line:column, and its folder is what
// the patterns in it are relative to.
func ParseConfig(name string, data []byte) (*Config, error) {
	r := &configReader{out: &Config{File: name}}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", name, err)
	}
	r.out.dir = filepath.Dir(absolute)
	if isEmptyYAML(data) {
		return r.out, nil
	}
	r.document = recipe.ParseDocument(name, data)
	if r.check(); len(r.problems) == 0 {
		r.read()
	}
	if err := errors.Join(r.problems...); err != nil {
		return nil, fault.Wrap(fault.Usage, err)
	}
	return r.out, nil
}

// isEmptyYAML tells whether there is nothing but comments in a file: a
// configuration that is yet to be written.
func isEmptyYAML(data []byte) bool {
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line != "---" {
			return false
		}
	}
	return true
}

// configReader takes a document apart and collects what is wrong with it.
type configReader struct {
	document *recipe.Document
	out      *Config
	problems []error
}

func (r *configReader) problem(at recipe.Range, format string, args ...any) {
	r.problems = append(r.problems, recipe.Problem{Range: at, Message: fmt.Sprintf(format, args...)})
}

// read takes what the schema has found good.
func (r *configReader) read() {
	root, c := r.document.Root(), r.out
	c.rules = r.settings(root.Get("rules"))
	for _, n := range root.Get("paths").Items() {
		c.paths = append(c.paths, pathSettings{r.pattern(n.Get("match")), r.settings(n.Get("rules"))})
	}
	for _, n := range root.Get("exclude").Items() {
		c.exclude = append(c.exclude, r.pattern(n))
	}
	for _, n := range root.Get("enable").Items() {
		c.enabled = append(c.enabled, n.Text())
		c.named = append(c.named, namedAt{n.Text(), n.Range()})
	}
	c.Settings.Registries = listOf(root.Get("registries"))
	c.Settings.Platforms = listOf(root.Get("platforms"))
	if longest, ok := root.Get("max_domain").Any().(int); ok {
		c.Settings.MaxDomain = longest
	}
	c.FailOn = root.Get("fail_on").Text()
}

func (r *configReader) settings(n recipe.Node) settings {
	var found settings
	for name, level := range n.Pairs() {
		s := setting{name: name, off: level.Text() == "off"}
		if !s.off {
			severity, err := ParseSeverity(level.Text())
			if err != nil {
				r.problem(level.Range(), "%v", err)
			}
			s.severity = severity
		}
		found = append(found, s)
		r.out.named = append(r.out.named, namedAt{name, level.KeyRange()})
	}
	return found
}

func (r *configReader) pattern(n recipe.Node) pattern {
	p, err := parsePattern(n.Text())
	if err != nil {
		r.problem(n.Range(), "%v", err)
	}
	return p
}

func listOf(n recipe.Node) []string {
	var list []string
	for _, item := range n.Items() {
		list = append(list, item.Text())
	}
	return list
}

// check finds names that mean none of rules.
func (c *Config) check(rules []Rule) error {
	var problems []error
	for _, n := range c.named {
		if slices.ContainsFunc(rules, func(r Rule) bool { return closeness(&r, n.name) > 0 }) {
			continue
		}
		message := fmt.Sprintf("no rule is called %q; expected an ID like R004, a rule's name or a family like S2", n.name)
		if best := likeRule(rules, n.name); best != "" {
			message = fmt.Sprintf("no rule is called %q; did you mean %q?", n.name, best)
		}
		problems = append(problems, recipe.Problem{Range: n.at, Message: message})
	}
	return fault.Wrap(fault.Usage, errors.Join(problems...))
}

// enable tells how closely the configuration wakes a rule, 0 for not at all.
func (c *Config) enable(r *Rule) (near int) {
	for _, name := range c.enabled {
		near = max(near, closeness(r, name))
	}
	return near
}

// at is what the paths make of a rule in a file, nil for nothing.
func (c *Config) at(rel string, r *Rule) (*setting, int) {
	for _, p := range slices.Backward(c.paths) {
		if set, near := p.rules.of(r); set != nil && p.match.matches(rel) {
			return set, near
		}
	}
	return nil, 0
}

// Excludes tells whether the file or folder at a path on disk is left out.
func (c *Config) Excludes(name string) bool {
	if c == nil || len(c.exclude) == 0 {
		return false
	}
	return c.excludes(c.relative(name))
}

func (c *Config) excludes(rel string) bool {
	return slices.ContainsFunc(c.exclude, func(p pattern) bool { return p.matches(rel) })
}

// relative is a path on disk as patterns see it: from the configuration's
// folder; from the working folder for what is not below that; else whole.
func (c *Config) relative(name string) string {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return filepath.ToSlash(name)
	}
	working, err := filepath.Abs(".")
	if err != nil {
		working = c.dir
	}
	for _, dir := range []string{c.dir, working} {
		if rel, err := filepath.Rel(dir, absolute); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return strings.TrimPrefix(filepath.ToSlash(absolute), "/")
}

// over lays flags' settings over a configuration's: flags win.
func (s Settings) over(c *Config) Settings {
	if c == nil {
		return s
	}
	if len(s.Registries) == 0 {
		s.Registries = c.Settings.Registries
	}
	if len(s.Platforms) == 0 {
		s.Platforms = c.Settings.Platforms
	}
	if s.MaxDomain == 0 {
		s.MaxDomain = c.Settings.MaxDomain
	}
	return s
}
