package catalogue

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/registry"
)

// ConfigName is what a catalogue's configuration is called.
const ConfigName = "galley-catalogue.yml"

// DefaultKeep is SignOptions.Keep where nobody says.
const DefaultKeep = 7 * 24 * time.Hour

// GateOff is the gate that keeps no version out.
const GateOff = "off"

// Config is galley-catalogue.yml.
type Config struct {
	Name    string
	Sources []Source
	// Platforms are what every image must have; none means whatever there is.
	Platforms []registry.Platform
	// Registries are where hosts, or beginnings of names, are asked instead.
	Registries map[string]string
	// Insecure hosts may be spoken to over plain HTTP.
	Insecure []string
	Expiry   trust.Expiry

	file string
}

// Source is one recipe's repository.
type Source struct {
	Name string // the recipe's
	// Git is a URL, Path a folder; one of them is "".
	Git, Path string
	// Compose is the base compose file's name, "" for the first known one.
	Compose string
	// Gate is the level from which findings keep a version out, or GateOff.
	Gate string
}

// Location is what source.Open takes.
func (s Source) Location() string { return cmp.Or(s.Git, s.Path) }

// severity is the gate's level; ok is false without a gate.
func (s Source) severity() (level lint.Severity, ok bool) {
	if s.Gate == GateOff {
		return 0, false
	}
	level, err := lint.ParseSeverity(s.Gate)
	return level, err == nil
}

// maxConfig bounds galley-catalogue.yml, in bytes.
const maxConfig = 4 << 20

// LoadConfig reads galley-catalogue.yml. What is wrong in it is fault.Usage, and
// every place is named as file:line:column. Paths in it are relative to it.
func LoadConfig(name string) (Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return Config{}, fault.Hint(fmt.Errorf("reading the catalogue's configuration: %w", err), "galley catalogue init writes one")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return Config{}, fmt.Errorf("reading the catalogue's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return Config{}, fault.New(fault.Usage, "%s: larger than %d bytes", name, maxConfig)
	}
	return ParseConfig(name, data)
}

// ParseConfig reads a configuration; name is for errors and for relative paths.
func ParseConfig(name string, data []byte) (Config, error) {
	d := recipe.ParseDocument(name, data)
	r := &configReader{document: d, out: Config{file: name, Expiry: trust.DefaultExpiry}}
	if err := r.check(); err != nil {
		return Config{}, fault.Wrap(fault.Usage, err)
	}
	r.read()
	if err := errors.Join(r.problems...); err != nil {
		return Config{}, fault.Wrap(fault.Usage, err)
	}
	return r.out, nil
}

// configReader takes a valid document apart and collects what its schema cannot
// say is wrong.
type configReader struct {
	document *recipe.Document
	out      Config
	problems []error
}

func (r *configReader) problem(at recipe.Range, format string, args ...any) {
	r.problems = append(r.problems, recipe.Problem{Range: at, Message: fmt.Sprintf(format, args...)})
}

func (r *configReader) read() {
	root := r.document.Root()
	r.out.Name = root.Get("name").Text()
	first := map[string]recipe.Range{}
	for _, n := range root.Get("sources").Items() {
		s := r.source(n)
		if before, ok := first[s.Name]; ok {
			r.problem(n.Range(), "recipe %q is there twice, the first time at line %d", s.Name, before.Start.Line)
			continue
		}
		first[s.Name] = n.Range()
		r.out.Sources = append(r.out.Sources, s)
	}
	for _, n := range root.Get("platforms").Items() {
		p, err := registry.ParsePlatform(n.Text())
		if err != nil {
			r.problem(n.Range(), "%v", err)
		}
		r.out.Platforms = append(r.out.Platforms, p)
	}
	for from, to := range root.Get("registries").Pairs() {
		if r.out.Registries == nil {
			r.out.Registries = map[string]string{}
		}
		r.out.Registries[from] = to.Text()
	}
	for _, n := range root.Get("insecure").Items() {
		r.out.Insecure = append(r.out.Insecure, n.Text())
	}
	for role, n := range root.Get("expiry").Pairs() {
		r.expiry(trust.Role(role), n)
	}
}

func (r *configReader) source(n recipe.Node) Source {
	s := Source{
		Name: n.Get("name").Text(), Git: n.Get("git").Text(), Path: n.Get("path").Text(),
		Compose: n.Get("compose").Text(), Gate: cmp.Or(n.Get("gate").Text(), lint.Error.String()),
	}
	at := n.Range()
	switch {
	case s.Git == "" && s.Path == "":
		r.problem(at, "the source has neither git nor path; expected one of them")
		return s
	case s.Git != "" && s.Path != "":
		r.problem(n.Get("path").KeyRange(), "the source has git and path; expected one of them")
		return s
	}
	if s.Name == "" {
		s.Name = nameOf(s.Location())
	} else {
		at = n.Get("name").Range()
	}
	if err := recipe.ValidRecipeName(s.Name); err != nil {
		r.problem(at, "%v", err)
	}
	if strings.ContainsAny(s.Compose, `/\`) || strings.HasPrefix(s.Compose, ".") {
		r.problem(n.Get("compose").Range(), "compose file %q: expected a file's name without folders", s.Compose)
	}
	if s.Git != "" {
		if parsed, err := source.Parse(s.Git); err != nil {
			r.problem(n.Get("git").Range(), "%v", err)
		} else if parsed.Local && !strings.HasPrefix(s.Git, "file://") {
			r.problem(n.Get("git").Range(), "%q is no URL; expected path: for a folder", s.Git)
		}
	}
	if s.Path != "" && !filepath.IsAbs(s.Path) {
		s.Path = filepath.Join(filepath.Dir(r.out.file), filepath.FromSlash(s.Path))
	}
	return s
}

// nameOf is the last part of an address, without ".git".
func nameOf(location string) string {
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		location = u.Path
	}
	_, last, found := strings.Cut(location, ":") // git@host:recipes/matomo.git
	if found && !strings.Contains(location, "://") {
		location = last
	}
	return strings.TrimSuffix(path.Base(filepath.ToSlash(location)), ".git")
}

var units = map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'y': 365 * 24 * time.Hour}

// expiry reads a duration such as "14d"; the schema knows its form.
func (r *configReader) expiry(role trust.Role, n recipe.Node) {
	text := n.Text()
	count, err := strconv.Atoi(text[:len(text)-1])
	d := time.Duration(count) * units[text[len(text)-1]]
	if err != nil || d > 100*units['y'] || d <= 0 {
		r.problem(n.Range(), "expiry %q: expected at most 100y", text)
		return
	}
	switch role {
	case trust.Root:
		r.out.Expiry.Root = d
	case trust.Targets:
		r.out.Expiry.Targets = d
	case trust.Snapshot:
		r.out.Expiry.Snapshot = d
	case trust.Timestamp:
		r.out.Expiry.Timestamp = d
	}
}
