package catalogue

import "time"

// Difference is what Diff found, and the document of "galley catalogue diff
// --output json". Lists are never null; recipes are by name, versions ascend. A
// later galley may add keys, and does not change what these mean.
type Difference struct {
	Before DiffSide `json:"before"`
	After  DiffSide `json:"after"`
	// Same says that the two have the same recipes, of the same content. Metadata
	// that was only signed anew makes no difference.
	Same     bool `json:"same"`
	Compared int  `json:"compared"` // recipes
	// Broken are changes of what is published that must never happen, and that
	// galley catalogue sign refuses. They are among Removed and Changed as well.
	Broken  []Broken        `json:"broken"`
	Added   []RecipeSummary `json:"added"`
	Removed []RecipeSummary `json:"removed"`
	Changed []RecipeChange  `json:"changed"`
}

// DiffSide is one of the two catalogues.
type DiffSide struct {
	Location string `json:"location"`
	// Name is what the catalogue calls itself; "" when only some recipes were
	// compared.
	Name        string `json:"name"`
	Signed      bool   `json:"signed"`
	Fingerprint string `json:"fingerprint"` // of its first root, "" when unsigned
	Version     int64  `json:"version"`     // of its timestamp, 0 when unsigned
}

// Broken is a published version that is gone or has other content.
type Broken struct {
	Recipe  string `json:"recipe"`
	Version string `json:"version"`
	// What is "version" for one that is gone, "tag", "commit", "bundle", "image
	// <reference>" or "platforms of <reference>".
	What   string `json:"what"`
	Before string `json:"before"` // a hash; of What "version", the version
	After  string `json:"after"`  // "" for what is gone
}

// RecipeSummary is a recipe that only one of the two has.
type RecipeSummary struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Category    string   `json:"category"`
	Versions    []string `json:"versions"`
	// Newest is the newest that is not withdrawn, null when there is none.
	Newest *VersionSummary `json:"newest"`
}

// VersionSummary is what a version's entry says.
type VersionSummary struct {
	Version   string      `json:"version"`
	Withdrawn *Withdrawal `json:"withdrawn,omitempty"`
	Commit    string      `json:"commit"`
	Date      time.Time   `json:"date"`
	Signer    *Signer     `json:"signer,omitempty"`
	Images    []Pin       `json:"images"`
	Lint      Verdict     `json:"lint"`
	Notes     string      `json:"notes"` // release notes, "" without any
}

// Pin is an image as an entry names it.
type Pin struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
}

// RecipeChange is a recipe that both have, and that differs.
type RecipeChange struct {
	Name   string        `json:"name"`
	Newest *NewestChange `json:"newest,omitempty"` // nil when it is the same
	Fields []FieldChange `json:"fields"`           // of the recipe itself
	// Added are versions that only the later one has, Removed those that only the
	// earlier one has.
	Added     []VersionSummary   `json:"added"`
	Removed   []string           `json:"removed"`
	Withdrawn []WithdrawalChange `json:"withdrawn"`
	Entries   []EntryChange      `json:"entries"` // of versions that both have
}

// NewestChange is the step that an operator makes who takes the newest version.
type NewestChange struct {
	Before string        `json:"before"` // version; "" when all were withdrawn
	After  string        `json:"after"`
	Images []ImageChange `json:"images"`
}

// FieldChange is a changed text.
type FieldChange struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// WithdrawalChange is a version that was withdrawn (Before is nil), given back
// (After is nil), or whose reason changed.
type WithdrawalChange struct {
	Version string      `json:"version"`
	Before  *Withdrawal `json:"before"`
	After   *Withdrawal `json:"after"`
}

// EntryChange is a version that has another entry.
type EntryChange struct {
	Version string        `json:"version"`
	Lint    *LintChange   `json:"lint,omitempty"`
	Fields  []FieldChange `json:"fields"` // "signer" and "notes" among them
	Images  []ImageChange `json:"images"`
}

// LintChange is another verdict on a version.
type LintChange struct {
	Before Verdict `json:"before"`
	After  Verdict `json:"after"`
}

// ImageChange is an image that has another reference or another digest. Before
// is nil for a new one, After for one that is no longer used.
type ImageChange struct {
	Before *Pin `json:"before"`
	After  *Pin `json:"after"`
}
