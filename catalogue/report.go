package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// Report tells how a build went. It is no part of the catalogue: it has times
// and places in it.
type Report struct {
	Schema   int       `json:"schema"`
	Name     string    `json:"name"`
	Output   string    `json:"output"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Recipes  int       `json:"recipes"`  // published
	Versions int       `json:"versions"` // published
	New      int       `json:"new"`      // versions that this run added
	Refused  int       `json:"refused"`  // versions
	// Postponed are those of the refused that wait for a registry: the next build
	// goes on with them.
	Postponed int            `json:"postponed"`
	Moved     int            `json:"moved"`   // published versions whose tag moved
	Sources   []SourceReport `json:"sources"` // by name
	Lists     []ListReport   `json:"lists"`
	Requests  Requests       `json:"requests"`
	Files     Files          `json:"files"` // of the output
}

// SourceReport is one source's part.
type SourceReport struct {
	Name     string `json:"name"`
	Location string `json:"location"` // without credentials
	// Published are versions, ascending; New those that this run added, and
	// Withdrawn those that are not for new deploys.
	Published []string    `json:"published"`
	New       []string    `json:"new"`
	Withdrawn []Withdrawn `json:"withdrawn"`
	// Moved are published versions whose tag names another commit by now. What is
	// published stays.
	Moved []Moved `json:"moved"`
	// Refused are in the order of source.Repository.Versions.
	Refused []Refusal `json:"refused"`
	// Error is why the source could not be read, "" otherwise. What was published of
	// it stays.
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"` // until its files were read and linted
}

// Newest is the newest published version that is not withdrawn, "" without one.
func (s SourceReport) Newest() string {
	for _, version := range slices.Backward(s.Published) {
		if !slices.ContainsFunc(s.Withdrawn, func(w Withdrawn) bool { return w.Version == version }) {
			return version
		}
	}
	return ""
}

// ListReport is a list of sources that could not be read, or what one names and no
// recipe comes of.
type ListReport struct {
	Location string `json:"location"`
	Skipped  string `json:"skipped"` // a repository; "" when the list could not be read
	Reason   string `json:"reason"`
}

// Withdrawn is a published version that is not for new deploys.
type Withdrawn struct {
	Version string `json:"version"`
	Withdrawal
}

// Moved is a published version whose tag moved. A release is never changed: a
// mistake is mended by a new version.
type Moved struct {
	Version   string `json:"version"`
	Published string `json:"published"` // the commit that is published
	Now       string `json:"now"`       // the commit that the tag names
}

// Refusal is a tag that did not become an entry, and why.
type Refusal struct {
	Recipe  string `json:"recipe"`
	Version string `json:"version"` // the tag's name
	Kind    string `json:"kind"`    // RefusedTag, …
	Reason  string `json:"reason"`
	// Findings are the linter's, when its gate refused the version.
	Findings []lint.Finding `json:"findings"`
}

// The kinds of a Refusal: what stood in the way.
const (
	RefusedTag       = "tag"       // it is no release
	RefusedSignature = "signature" // of the tag
	RefusedFiles     = "files"     // they are no recipe that can be published
	RefusedLint      = "lint"      // the source's gate
	RefusedImage     = "image"     // a registry does not have it, or not as it is wanted
	Postponed        = "postponed" // a registry is down, limits requests, or may not be asked more
)

// Requests counts what registries were asked.
type Requests struct {
	References int     `json:"references"` // distinct ones
	Heads      int64   `json:"heads"`
	Gets       int64   `json:"gets"`
	Auths      int64   `json:"auths"`
	CacheHits  int64   `json:"cache_hits"`
	Retries    int64   `json:"retries"`
	Seconds    float64 `json:"seconds"`
}

// report is what the run did.
func (b *builder) report(started time.Time) *Report {
	r := &Report{
		Schema: SchemaVersion, Name: b.cfg.Name, Output: b.opts.Output, Started: b.opts.Now.UTC().Truncate(time.Second),
		Recipes: len(b.state.names()), Lists: b.lists, Files: b.out.files(), Requests: b.images.requests(b.opts.Resolver.Stats()),
	}
	for _, s := range b.sources {
		r.Refused += len(s.report.Refused)
		for _, refused := range s.report.Refused {
			if refused.Kind == Postponed {
				r.Postponed++
			}
		}
		r.Versions += len(s.report.Published)
		r.New += len(s.report.New)
		r.Moved += len(s.report.Moved)
		r.Sources = append(r.Sources, s.report)
	}
	slices.SortFunc(r.Sources, func(x, y SourceReport) int { return strings.Compare(x.Name, y.Name) })
	r.Seconds = time.Since(started).Seconds()
	r.fill()
	return r
}

// requests is what was asked since the run began.
func (i *images) requests(after registry.Stats) Requests {
	before := i.before
	return Requests{
		References: len(i.asked), Seconds: i.seconds,
		Heads: after.Heads - before.Heads, Gets: after.Gets - before.Gets, Auths: after.Auths - before.Auths,
		CacheHits: after.CacheHits - before.CacheHits, Retries: after.Retries - before.Retries,
	}
}

// Down lists the lists of sources that could not be read.
func (r *Report) Down() []ListReport {
	var down []ListReport
	for _, l := range r.Lists {
		if l.Skipped == "" {
			down = append(down, l)
		}
	}
	return down
}

// Failed lists the sources that could not be read.
func (r *Report) Failed() []SourceReport {
	var failed []SourceReport
	for _, s := range r.Sources {
		if s.Error != "" {
			failed = append(failed, s)
		}
	}
	return failed
}

// fill puts empty lists where there are none, so that the JSON has no null.
func (r *Report) fill() {
	r.Sources = append([]SourceReport{}, r.Sources...)
	r.Lists = append([]ListReport{}, r.Lists...)
	for i := range r.Sources {
		s := &r.Sources[i]
		s.Published = append([]string{}, s.Published...)
		s.New = append([]string{}, s.New...)
		s.Withdrawn = append([]Withdrawn{}, s.Withdrawn...)
		s.Moved = append([]Moved{}, s.Moved...)
		s.Refused = append([]Refusal{}, s.Refused...)
		for j := range s.Refused {
			s.Refused[j].Findings = append([]lint.Finding{}, s.Refused[j].Findings...)
		}
	}
}

// JSON is the report as its schema describes it.
func (r *Report) JSON() ([]byte, error) {
	whole := *r
	whole.fill()
	return document("report", whole)
}

// document is an answer as its schema describes it.
func document(schema string, v any) ([]byte, error) {
	data, err := encode(v, "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the %s: %w", schema, err)
	}
	if err := checkSchema(schema, data); err != nil {
		return nil, fmt.Errorf("writing the %s: it %w", schema, err)
	}
	return data, nil
}

// Write writes the report to a file.
func (r *Report) Write(name string) error {
	data, err := r.JSON()
	if err != nil {
		return err
	}
	return writeReport(name, data)
}

func writeReport(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := renameio.WriteFile(name, data, 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Event is progress of a build, for a screen.
type Event struct {
	// Stage is StageSources or StageImages.
	Stage       string
	Name        string // the source that is done
	Done, Total int
	// Requests are what registries were asked in this run, PerSecond how many of
	// them in a second of it. Of what hosts said about their limits Quota is the one
	// that leaves least, nil when none did.
	Requests  int64
	PerSecond float64
	Quota     *registry.Quota
}

// The stages of a build.
const (
	StageSources = "sources"
	StageImages  = "images"
)
