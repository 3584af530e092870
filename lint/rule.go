package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// Rule is one check. Check looks at the Pass's recipe and reports; it must not
// fail, block or depend on another rule. A rule that panics is a bug, and ends
// as an error that names the rule.
type Rule struct {
	ID       string // "R004": letter, three digits
	Name     string // "unstable-tag": kebab-case
	Summary  string // one line, what it checks
	Severity Severity
	// RecipeOnly keeps the rule away from loose compose files.
	RecipeOnly bool
	// Off rules run only when they are asked for.
	Off   bool
	Check func(*Pass)
}

// History is what git knows of a recipe. It is absent for a folder without git.
type History interface {
	// Versions are the recipe's tags as source.Repository.Versions orders them.
	Versions(context.Context) ([]source.Version, error)
	// Tree is the recipe as it stood at a commit.
	Tree(ctx context.Context, commit string) (fs.FS, error)
}

// Loader is a History that also gives recipes as they stood, each loaded once:
// who judges one version after another has them already.
type Loader interface {
	History
	// Recipe is recipe.Load of Tree. The recipe is shared, and not to be changed.
	Recipe(ctx context.Context, commit string, opts recipe.Options) (*recipe.Recipe, error)
}

// Catalogue is what is published of recipes. It is absent offline.
type Catalogue interface {
	// Versions are the published versions of a recipe, none for one that is not
	// in the catalogue.
	Versions(ctx context.Context, recipe string) ([]string, error)
}

// Upstream answers whether what a recipe names on the network exists. It is
// absent offline.
type Upstream interface {
	// Reachable fails when nothing answers at a web address.
	Reachable(ctx context.Context, url string) error
}

// ImageFacts is what a registry says of an image reference.
type ImageFacts struct {
	Digest    string   // of the index, or of the manifest of an image without one
	Index     bool     // the digest is an index's
	Platforms []string // "linux/amd64", "linux/arm64/v8"
}

// ErrNoImage says that a registry answered, and has no such image.
var ErrNoImage = errors.New("there is no such image")

// Images is what registries say. It is absent offline.
type Images interface {
	// Image looks a reference up; ErrNoImage when it does not exist.
	Image(ctx context.Context, reference string) (ImageFacts, error)
	// Tags lists the tags of a reference's repository.
	Tags(ctx context.Context, reference string) ([]string, error)
}

// Pins are the digests that a catalogue published. They are absent offline.
type Pins interface {
	// Digests are of the newest published version of a recipe, by normalised
	// reference ("docker.io/library/nginx:1.27"); none when it is not published.
	Digests(ctx context.Context, recipe string) (map[string]string, error)
}

// Settings are what a project's configuration tells the rules. The zero value
// is right for a project without one.
type Settings struct {
	// Registries are the hosts images may come from ("docker.io",
	// "ghcr.example"); none allows all.
	Registries []string
	// Platforms are those every image must have, for rules that ask registries.
	Platforms []string
	// MaxDomain is the longest domain, in characters, that names on the swarm are
	// computed for; 0 means 45, what clients cut stack names to.
	MaxDomain int
}

// World is what a rule may ask beyond the recipe's own files. Absent parts are
// nil: a rule that needs one says Skip.
type World struct {
	History   History
	Catalogue Catalogue
	Upstream  Upstream
	Images    Images
	Pins      Pins
}

// Target is one recipe to be linted.
type Target struct {
	// Path is what the user calls it: the folder, or the compose file. Files of
	// findings start with the folder.
	Path string
	// Dir is put before the files of findings, "" or "." for nothing.
	Dir    string
	Recipe *recipe.Recipe
	World  World
	// Loose keeps the recipe conventions away: the target is a compose file
	// without a recipe's marks.
	Loose bool
	// Load is how Recipe was loaded, so that it can be loaded again from files
	// that a fix or an editor changed, or as it stood at a commit.
	Load recipe.Options
	// Config is the project's for this target, nil for none.
	Config *Config
	// Focus leaves out the findings of all files but this one, named as the
	// findings' files are; "" leaves out none.
	Focus string

	// Where the recipe's folder is on disk: below root, which nothing leads out
	// of. Both are "" for a target that is not from disk.
	root, below string
}

// Pass is one rule's look at one target. It is made by the engine and used by
// one goroutine, until the rule's Check returns.
type Pass struct {
	Context context.Context
	Recipe  *recipe.Recipe
	World   World
	// Settings are the project's.
	Settings Settings

	rule   *Rule
	shared *shared
	report func(Finding)
	skip   func(reason string)
}

// Report adds a finding at r with the rule's severity. The options add related
// places or a fix.
func (p *Pass) Report(r recipe.Range, message string, options ...Option) {
	f := Finding{
		Rule: p.rule.ID, Name: p.rule.Name, Severity: p.rule.Severity,
		Message: message, File: r.File, Start: r.Start, End: r.End,
	}
	for _, option := range options {
		option(&f)
	}
	p.report(f)
}

// Reportf is Report with a format and no options.
func (p *Pass) Reportf(r recipe.Range, format string, args ...any) {
	p.Report(r, fmt.Sprintf(format, args...))
}

// Skip says that the rule could not look at this target, and why.
func (p *Pass) Skip(reason string) { p.skip(reason) }

// Option changes a finding before it is reported.
type Option func(*Finding)

// WithRelated names another place that the message speaks of.
func WithRelated(r recipe.Range, message string) Option {
	return func(f *Finding) {
		f.Related = append(f.Related, Related{File: r.File, Start: r.Start, End: r.End, Message: message})
	}
}

// WithFix says how the finding is cured.
func WithFix(fix Fix) Option {
	return func(f *Finding) { f.Fix = &fix }
}

// AtFile is a place for findings about a whole file, present or missing: its
// first column.
func AtFile(name string) recipe.Range {
	first := recipe.Position{Line: 1, Column: 1}
	return recipe.Range{File: name, Start: first, End: first}
}

// Service is a service as one compose file writes it.
type Service struct {
	Name     string
	Node     recipe.Node
	Document *recipe.Document
	Overlay  bool // not in the base file
}

// Services lists the services of the base file and of every overlay, in the
// order of the text. A service that an overlay changes is listed for both. The
// list is the same for all rules: it must not be changed.
func (p *Pass) Services() []Service {
	if p.shared.services != nil {
		return p.shared.services
	}
	services := []Service{}
	for _, d := range p.Recipe.Documents() {
		for name, node := range d.Lookup("services").Pairs() {
			services = append(services, Service{Name: name, Node: node, Document: d, Overlay: d != p.Recipe.Base})
		}
	}
	p.shared.services = slices.Clip(services)
	return p.shared.services
}

// Model is the base merged with one overlay ("" for the base alone),
// interpolated with the sample's values. It is made once for all rules. A
// recipe that does not merge gives the error.
func (p *Pass) Model(overlay string) (*types.Project, error) {
	return p.shared.model(p.Context, overlay)
}
