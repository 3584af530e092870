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

// GateOff is the gate that keeps no version out.
const GateOff = "off"

// Config is galley-catalogue.yml.
type Config struct {
	Name string
	// Sources are those given one by one; Expand adds what the Lists give.
	Sources []Source
	Lists   []List
	// Platforms are what every image must have; none means whatever there is.
	Platforms []registry.Platform
	// Registries are where hosts, or beginnings of names, are asked instead.
	Registries map[string]string
	// Insecure hosts may be spoken to over plain HTTP.
	Insecure []string
	Expiry   trust.Expiry
	// Keep is how long files that nothing names any more stay published, for
	// readers that are in the middle.
	Keep time.Duration
	// MaxRequests bounds the requests that one build makes of registries; 0 is no
	// bound.
	MaxRequests int

	file string
}

// DefaultKeep is Config.Keep, and that of signing and publishing, where nobody says.
const DefaultKeep = 7 * 24 * time.Hour

// Source is one recipe's repository.
type Source struct {
	Name string // the recipe's
	// Git is a URL, Path a folder; one of them is "".
	Git, Path string
	// List is the List.Location that the source came from, "" when it was given
	// by itself.
	List string
	// Compose is the base compose file's name, "" for the first known one.
	Compose string
	// Gate is the level from which findings keep a version out, or GateOff.
	Gate string
	// Signers are files for signers.Load: when there are any, a tag must be signed
	// by one of the keys in them.
	Signers []string

	token *secret // a pointer, so that no format shows what it holds
}

// Location is what source.Open takes.
func (s Source) Location() string { return cmp.Or(s.Git, s.Path) }

// Options are what source.Open and source.List take for this source.
func (s Source) Options(cacheDir string) source.Options {
	opts := source.Options{CacheDir: cacheDir}
	if s.token != nil {
		opts.Token = string(*s.token)
	}
	return opts
}

// secret is a text that nobody should see.
type secret string

// List is where several sources are, a recipe each.
type List struct {
	// Folder holds git repositories; Gitea is the address of an organisation or a
	// user of a Gitea or Forgejo server. One of them is "".
	Folder, Gitea string
	// Include and Exclude are patterns (path.Match) of recipe names. Without
	// Include every name is meant; Exclude wins.
	Include, Exclude []string
	// TokenFile holds an access token for Gitea, and must be the user's alone.
	TokenFile string
	// Transport is how Gitea's repositories are fetched, "https" or "ssh".
	Transport string
	// Compose, Gate and Signers are those of each source.
	Compose, Gate string
	Signers       []string
}

// Location identifies the list in reports.
func (l List) Location() string { return cmp.Or(l.Gitea, l.Folder) }

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
	r := &configReader{document: d, out: Config{file: name, Expiry: trust.DefaultExpiry, Keep: DefaultKeep}}
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
		if n.Get("folder").Exists() || n.Get("gitea").Exists() {
			r.list(n)
			continue
		}
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
	if n := root.Get("keep"); n.Exists() {
		r.out.Keep = r.duration("keep", n)
	}
	if n := root.Get("max_requests"); n.Exists() {
		count, err := strconv.Atoi(n.Text())
		if err != nil {
			r.problem(n.Range(), "max_requests: %q; expected a number", n.Text())
		}
		r.out.MaxRequests = count
	}
}

func (r *configReader) source(n recipe.Node) Source {
	s := Source{
		Name: n.Get("name").Text(), Git: n.Get("git").Text(), Path: n.Get("path").Text(),
		Compose: r.compose(n), Gate: gate(n), Signers: r.signers(n),
	}
	at := n.Range()
	if s.Git == "" && s.Path == "" {
		r.problem(at, "the source has none of git, path, folder and gitea; expected one of them")
		return s
	}
	kind := "path"
	if s.Git != "" {
		kind = "git"
	}
	if s.Git != "" && r.others(n, kind, "path") || r.others(n, kind, listKeys...) {
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
	if s.Git != "" {
		if parsed, err := source.Parse(s.Git); err != nil {
			r.problem(n.Get("git").Range(), "%v", err)
		} else if parsed.Local && !strings.HasPrefix(s.Git, "file://") {
			r.problem(n.Get("git").Range(), "%q is no URL; expected path: for a folder", s.Git)
		}
	}
	if s.Path != "" {
		s.Path = r.beside(s.Path)
	}
	return s
}

// beside makes a path relative to the configuration's folder.
func (r *configReader) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(r.out.file), filepath.FromSlash(name))
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

// duration reads a duration such as "14d"; the schema knows its form.
func (r *configReader) duration(what string, n recipe.Node) time.Duration {
	text := n.Text()
	count, err := strconv.Atoi(text[:len(text)-1])
	d := time.Duration(count) * units[text[len(text)-1]]
	if err != nil || d > 100*units['y'] || d <= 0 {
		r.problem(n.Range(), "%s %q: expected at most 100y", what, text)
		return 0
	}
	return d
}

func (r *configReader) expiry(role trust.Role, n recipe.Node) {
	d := r.duration("expiry", n)
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
