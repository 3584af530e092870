package lint

import (
	"context"
	"fmt"

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

// World is what a rule may ask beyond the recipe's own files. Absent parts are
// nil: a rule that needs one says Skip.
type World struct {
	History   History
	Catalogue Catalogue
	Upstream  Upstream
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
}

// Pass is one rule's look at one target. It is made by the engine and used by
// one goroutine.
type Pass struct {
	Context context.Context
	Recipe  *recipe.Recipe
	World   World

	rule   *Rule
	merged *merged
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
// order of the text. A service that an overlay changes is listed for both.
func (p *Pass) Services() []Service {
	var services []Service
	for _, d := range p.Recipe.Documents() {
		for name, node := range d.Lookup("services").Pairs() {
			services = append(services, Service{Name: name, Node: node, Document: d, Overlay: d != p.Recipe.Base})
		}
	}
	return services
}

// Model is the base merged with one overlay ("" for the base alone),
// interpolated with the sample's values. It is made once for all rules. A
// recipe that does not merge gives the error.
func (p *Pass) Model(overlay string) (*types.Project, error) {
	return p.merged.model(p.Context, overlay)
}
