package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// Report tells how a build went. It is no part of the catalogue: it has times
// and places in it.
type Report struct {
	Schema   int            `json:"schema"`
	Name     string         `json:"name"`
	Output   string         `json:"output"`
	Started  time.Time      `json:"started"`
	Seconds  float64        `json:"seconds"`
	Recipes  int            `json:"recipes"`  // published
	Versions int            `json:"versions"` // published
	Refused  int            `json:"refused"`  // versions
	Sources  []SourceReport `json:"sources"`  // by name
	Requests Requests       `json:"requests"`
}

// SourceReport is one source's part.
type SourceReport struct {
	Name     string `json:"name"`
	Location string `json:"location"` // without credentials
	// Published are versions, ascending.
	Published []string `json:"published"`
	// Refused are in the order of source.Repository.Versions.
	Refused []Refusal `json:"refused"`
	// Error is why nothing of the source could be read, "" otherwise.
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"` // until its files were read and linted
}

// Refusal is a tag that did not become an entry, and why.
type Refusal struct {
	Recipe  string `json:"recipe"`
	Version string `json:"version"` // the tag's name
	Reason  string `json:"reason"`
	// Findings are the linter's, when its gate refused the version.
	Findings []lint.Finding `json:"findings"`
}

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

// since is what was asked between two counts.
func (q *Requests) since(before, after registry.Stats) {
	q.Heads, q.Gets, q.Auths = after.Heads-before.Heads, after.Gets-before.Gets, after.Auths-before.Auths
	q.CacheHits, q.Retries = after.CacheHits-before.CacheHits, after.Retries-before.Retries
}

// Failed lists the sources of which nothing could be read.
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
	for i := range r.Sources {
		s := &r.Sources[i]
		s.Published = append([]string{}, s.Published...)
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
	data, err := encode(whole, "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	if err := checkSchema("report", data); err != nil {
		return nil, fmt.Errorf("writing the report: it %w", err)
	}
	return data, nil
}

// Write writes the report to a file.
func (r *Report) Write(name string) error {
	data, err := r.JSON()
	if err != nil {
		return err
	}
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
}

// The stages of a build.
const (
	StageSources = "sources"
	StageImages  = "images"
)
