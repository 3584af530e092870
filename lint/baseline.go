package lint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// BaselineVersion is the form of baselines that is written.
const BaselineVersion = 1

// The largest baseline that is read, in bytes and in entries.
const (
	maxBaseline        = 64 << 20
	maxBaselineEntries = 500_000
)

// Baseline are findings that were there when it was written, and are not
// reported again. A finding is known by its file, rule and fingerprint, so that it
// stays known when lines above it move.
type Baseline struct {
	Version int             `json:"version"`
	Entries []BaselineEntry `json:"entries"`
}

// BaselineEntry is one finding of a baseline. Its file is relative to the
// baseline's folder, so that lint may run from anywhere; the message is for people.
type BaselineEntry struct {
	File        string `json:"file"`
	Rule        string `json:"rule"`
	Fingerprint string `json:"fingerprint"`
	Message     string `json:"message"`
}

func (e BaselineEntry) key() BaselineEntry {
	e.Message = ""
	return e
}

func compareEntries(a, b BaselineEntry) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint), cmp.Compare(a.Message, b.Message))
}

// NewBaseline is a result's findings as a baseline for a file in the folder dir.
func NewBaseline(r *Result, dir string) *Baseline {
	b := &Baseline{Version: BaselineVersion, Entries: []BaselineEntry{}}
	for _, f := range r.Findings {
		b.Entries = append(b.Entries, BaselineEntry{relativeTo(dir, f.File), f.Rule, f.Fingerprint, f.Message})
	}
	slices.SortFunc(b.Entries, compareEntries)
	b.Entries = slices.CompactFunc(b.Entries, func(a, b BaselineEntry) bool { return a.key() == b.key() })
	return b
}

// relativeTo is a finding's file as seen from a folder on disk, slash-separated.
func relativeTo(dir, file string) string {
	from, err := filepath.Abs(dir)
	if err != nil {
		return file
	}
	to, err := filepath.Abs(filepath.FromSlash(file))
	if err != nil {
		return file
	}
	rel, err := filepath.Rel(from, to)
	if err != nil {
		return file
	}
	return filepath.ToSlash(rel)
}

// WriteBaseline writes a baseline as indented JSON: the same findings give the
// same bytes.
func WriteBaseline(w io.Writer, b *Baseline) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(b); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	return nil
}

// ReadBaseline reads what WriteBaseline wrote. What is no baseline is fault.Usage.
func ReadBaseline(r io.Reader) (*Baseline, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBaseline+1))
	if err != nil {
		return nil, fmt.Errorf("reading the baseline: %w", err)
	}
	b := &Baseline{}
	if err := b.decode(data); err != nil {
		err = fault.New(fault.Usage, "reading the baseline: %w", err)
		return nil, fault.Hint(err, "galley lint --write-baseline makes a new one")
	}
	return b, nil
}

func (b *Baseline) decode(data []byte) error {
	if len(data) > maxBaseline {
		return fmt.Errorf("it is larger than %d bytes", maxBaseline)
	}
	var form struct{ Version *int }
	if err := json.Unmarshal(data, &form); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	if form.Version == nil || *form.Version != BaselineVersion {
		return fmt.Errorf("expected version %d", BaselineVersion)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(b); err != nil {
		return fmt.Errorf("it has another form: %w", err)
	}
	if len(b.Entries) > maxBaselineEntries {
		return fmt.Errorf("it has more than %d entries", maxBaselineEntries)
	}
	for i, e := range b.Entries {
		if e.File == "" || e.Rule == "" || e.Fingerprint == "" {
			return fmt.Errorf("entry %d lacks file, rule or fingerprint", i+1)
		}
		b.Entries[i].File = path.Clean(e.File)
	}
	return nil
}

// Apply drops the findings that the baseline has from r and counts them there.
// It gives the entries that are stale: their rule ran over their file, or the
// file is gone, and nothing matches. dir is the baseline's folder.
func (b *Baseline) Apply(r *Result, dir string) (stale []BaselineEntry) {
	known := make(map[BaselineEntry]bool, len(b.Entries)) // whether it was found
	for _, e := range b.Entries {
		known[e.key()] = false
	}
	names := map[string]string{} // files as the baseline calls them
	name := func(file string) string {
		if _, ok := names[file]; !ok {
			names[file] = relativeTo(dir, file)
		}
		return names[file]
	}
	r.Summary.Baselined += r.drop(func(f Finding) bool {
		key := BaselineEntry{File: name(f.File), Rule: f.Rule, Fingerprint: f.Fingerprint}
		if _, ok := known[key]; !ok {
			return false
		}
		known[key] = true
		return true
	})
	seen := map[string]bool{}
	for file := range r.files {
		seen[name(file)] = true
	}
	for _, e := range b.Entries {
		if !known[e.key()] && r.ran[e.Rule] && (seen[e.File] || gone(dir, e.File)) {
			stale = append(stale, e)
		}
	}
	return stale
}

// Without is the baseline without some of its entries, such as stale ones.
func (b *Baseline) Without(entries []BaselineEntry) *Baseline {
	drop := map[BaselineEntry]bool{}
	for _, e := range entries {
		drop[e.key()] = true
	}
	kept := slices.DeleteFunc(slices.Clone(b.Entries), func(e BaselineEntry) bool { return drop[e.key()] })
	return &Baseline{Version: BaselineVersion, Entries: append([]BaselineEntry{}, kept...)}
}

// gone tells whether there is no such file.
func gone(dir, file string) bool {
	if strings.ContainsRune(file, 0) {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(file)))
	return errors.Is(err, fs.ErrNotExist)
}
