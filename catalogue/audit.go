package catalogue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// AuditOptions say what is compared.
type AuditOptions struct {
	// Resolver asks registries. What it learned before is not used.
	Resolver *registry.Resolver
	// Names are recipes, or versions of them ("web@1.0.0+1.27"); all when empty.
	Names []string
	// All has withdrawn versions compared too. One that is named is, without it.
	All bool
	// Progress, which may be nil, counts distinct references, and is called from one
	// goroutine at a time.
	Progress func(done, total int)
}

// AuditReport compares what a catalogue published with what registries say now.
// There is no time in it: two of them may be compared.
type AuditReport struct {
	Schema     int    `json:"schema"`
	Catalogue  string `json:"catalogue"` // location
	Recipes    int    `json:"recipes"`
	Versions   int    `json:"versions"`
	References int    `json:"references"` // distinct ones
	// Pins are distinct references with a digest: some of one reference may have
	// been published with different digests. They are Unchanged, Moved, Gone, or
	// nobody knows.
	Pins      int            `json:"pins"`
	Unchanged int            `json:"unchanged"`
	Moved     int            `json:"moved"`
	Gone      int            `json:"gone"`
	Unknown   int            `json:"unknown"`
	Drifts    []AuditDrift   `json:"drifts"`   // by reference, then digest
	Failures  []AuditFailure `json:"failures"` // by reference, then digest
	Requests  AuditRequests  `json:"requests"`
}

// AuditRequests counts what registries were asked.
type AuditRequests struct {
	Heads   int64 `json:"heads"`
	Gets    int64 `json:"gets"`
	Auths   int64 `json:"auths"`
	Retries int64 `json:"retries"`
}

// All is their number.
func (r AuditRequests) All() int64 { return r.Heads + r.Gets + r.Auths }

// AuditDrift is a pin that the registry's tag does not name any more. What is
// published stays.
type AuditDrift struct {
	Reference string `json:"reference"`
	State     string `json:"state"`     // "moved" or "gone"
	Published string `json:"published"` // digest
	Now       string `json:"now"`       // digest, "" when it is gone
	// Available tells whether the published digest can still be pulled.
	Available bool `json:"available"`
	// Added and Removed are platforms by which what the tag names now differs.
	Added   []string   `json:"added"`
	Removed []string   `json:"removed"`
	Uses    []AuditUse `json:"uses"`
}

// AuditFailure is a pin about which a registry could not be asked.
type AuditFailure struct {
	Reference string     `json:"reference"`
	Published string     `json:"published"` // digest
	Kind      string     `json:"kind"`      // as registry.ErrorKind names it, "" for others
	Reason    string     `json:"reason"`
	Uses      []AuditUse `json:"uses"`
}

// AuditUse is a recipe and its versions that name an image, ascending.
type AuditUse struct {
	Recipe   string   `json:"recipe"`
	Versions []string `json:"versions"`
}

// String is for people: "web 1.0.0+1.27, 1.1.0+1.27".
func (u AuditUse) String() string { return u.Recipe + " " + strings.Join(u.Versions, ", ") }

// Audit asks what the tags of all published images name now: each reference once,
// whatever number of versions names it. Nothing that is published changes. What
// cannot be asked is in the report's Failures; the error is of the catalogue, or
// of an interruption.
func Audit(ctx context.Context, from *Client, opts AuditOptions) (*AuditReport, error) {
	before := opts.Resolver.Stats()
	found, err := selectEntries(ctx, from, opts.Names, func(r Release) bool { return opts.All || r.Withdrawn == nil })
	if err != nil {
		return nil, fmt.Errorf("auditing: %w", err)
	}
	a := auditor{byPin: map[string]*pin{}, out: &AuditReport{Schema: SchemaVersion, Catalogue: from.info.Location}}
	for _, s := range found {
		a.add(s)
	}
	published := a.published()
	answers := opts.Resolver.CheckAll(ctx, published, opts.Progress)
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(fault.Interrupted, fmt.Errorf("auditing: %w", err))
	}
	a.take(answers)
	after := opts.Resolver.Stats()
	a.out.Requests = AuditRequests{
		Heads: after.Heads - before.Heads, Gets: after.Gets - before.Gets,
		Auths: after.Auths - before.Auths, Retries: after.Retries - before.Retries,
	}
	return a.out, nil
}

// pin is one digest that was published of a reference.
type pin struct {
	image Image
	uses  []AuditUse
}

// auditor collects pins, and what became of them.
type auditor struct {
	byPin map[string]*pin
	pins  []*pin // by reference, then digest
	out   *AuditReport
}

// add takes the images of a recipe's versions in. They come by recipe, ascending.
func (a *auditor) add(s selected) {
	a.out.Recipes++
	for _, e := range s.entries {
		a.out.Versions++
		for _, image := range e.Images {
			key := image.Reference + "@" + image.Digest
			p := a.byPin[key]
			if p == nil {
				p = &pin{image: image}
				a.byPin[key] = p
				a.pins = append(a.pins, p)
			}
			if n := len(p.uses); n == 0 || p.uses[n-1].Recipe != e.Recipe {
				p.uses = append(p.uses, AuditUse{Recipe: e.Recipe})
			}
			last := &p.uses[len(p.uses)-1]
			last.Versions = append(last.Versions, e.Version)
		}
	}
}

// published are the pins as the registry package knows images.
func (a *auditor) published() []registry.Image {
	slices.SortFunc(a.pins, func(x, y *pin) int {
		return cmp.Or(strings.Compare(x.image.Reference, y.image.Reference), strings.Compare(x.image.Digest, y.image.Digest))
	})
	var list []registry.Image
	for i, p := range a.pins {
		if i == 0 || a.pins[i-1].image.Reference != p.image.Reference {
			a.out.References++
		}
		image := registry.Image{Reference: p.image.Reference, Digest: p.image.Digest, MediaType: p.image.MediaType, Size: p.image.Size}
		for _, child := range p.image.Platforms {
			if platform, err := registry.ParsePlatform(child.Platform); err == nil {
				image.Children = append(image.Children, registry.Child{Platform: platform, Manifest: child.Manifest, Config: child.Config})
			}
		}
		list = append(list, image)
	}
	a.out.Pins = len(list)
	return list
}

// take takes the answers in, which are in the order of the pins.
func (a *auditor) take(answers []registry.Drifted) {
	a.out.Drifts, a.out.Failures = []AuditDrift{}, []AuditFailure{}
	for i, answer := range answers {
		p := a.pins[i]
		switch drift := answer.Drift; {
		case answer.Err != nil:
			a.out.Unknown++
			a.out.Failures = append(a.out.Failures, failureOf(p, answer.Err))
			continue
		case drift.State == registry.Unchanged:
			a.out.Unchanged++
			continue
		case drift.State == registry.Moved:
			a.out.Moved++
		default:
			a.out.Gone++
		}
		drift := answer.Drift
		a.out.Drifts = append(a.out.Drifts, AuditDrift{
			Reference: p.image.Reference, State: drift.State.String(), Published: p.image.Digest, Now: drift.Now,
			Available: drift.Available, Added: platformNames(drift.Added), Removed: platformNames(drift.Removed), Uses: p.uses,
		})
	}
}

func failureOf(p *pin, err error) AuditFailure {
	f := AuditFailure{Reference: p.image.Reference, Published: p.image.Digest, Reason: cleanLine(err.Error(), maxLine), Uses: p.uses}
	if kind := registryKind(err); kind != 0 {
		f.Kind = kind.String()
	}
	return f
}

func platformNames(list []registry.Platform) []string {
	names := []string{}
	for _, p := range list {
		names = append(names, p.String())
	}
	return names
}

// OverBudget counts the pins that were not asked about because the requests of
// this run were used up.
func (r *AuditReport) OverBudget() int {
	n := 0
	for _, f := range r.Failures {
		if f.Kind == registry.OverBudget.String() {
			n++
		}
	}
	return n
}

// JSON is the report as its schema describes it.
func (r *AuditReport) JSON() ([]byte, error) { return document("audit", r) }

// Write writes the report to a file.
func (r *AuditReport) Write(name string) error {
	data, err := r.JSON()
	if err != nil {
		return err
	}
	return writeReport(name, data)
}
