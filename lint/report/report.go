// Package report writes the result of a lint run for those who read it: people
// at a terminal, and programs.
//
// It judges nothing and drops nothing: every format is made from lint.Result
// alone. What a recipe contains never reaches a terminal as it is: control
// characters and the marks that turn the direction of text are written as
// escapes.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

// Format is a way to write a result. The zero Format is Text.
type Format string

// The formats: for people, for programs of one's own
// (schemas/lint-report.schema.json), and for the tools that show findings beside
// the code.
const (
	Text       Format = "text"
	JSON       Format = "json"
	JSONLines  Format = "jsonl"
	SARIF      Format = "sarif"
	GitHub     Format = "github"
	GitLab     Format = "gitlab"
	JUnit      Format = "junit"
	Checkstyle Format = "checkstyle"
	RDJSON     Format = "rdjson"
	Markdown   Format = "markdown"
)

// writers are the formats in the order they are listed.
var writers = []struct {
	format Format
	write  func(*lint.Result, Options) ([]byte, error)
}{
	{Text, textReport},
	{JSON, jsonReport},
	{JSONLines, jsonLines},
	{SARIF, sarifReport},
	{GitHub, githubReport},
	{GitLab, gitlabReport},
	{JUnit, junitReport},
	{Checkstyle, checkstyleReport},
	{RDJSON, rdjsonReport},
	{Markdown, markdownReport},
}

// Formats are the names that ParseFormat knows.
func Formats() []string {
	names := make([]string, len(writers))
	for i, w := range writers {
		names[i] = string(w.format)
	}
	return names
}

// ParseFormat reads a name of Formats; "" is Text.
func ParseFormat(name string) (Format, error) {
	if name == "" {
		return Text, nil
	}
	for _, w := range writers {
		if string(w.format) == name {
			return w.format, nil
		}
	}
	names := Formats()
	last := len(names) - 1
	return "", fault.New(fault.Usage, "%q is no report format; expected %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// Options change how a result is written. The zero Options are right for any
// format; what they add is for those who have it.
type Options struct {
	Format Format
	// Color allows escape sequences for colours in Text.
	Color bool
	// Links allows the escape sequences that make hyperlinks (OSC 8) of files and
	// rules in Text.
	Links bool
	// Root is the address of the folder that the findings' files are relative to,
	// for links in Text; "" makes none of files. RootHere gives it.
	Root string
	// Docs is the address of the folder with the rules' pages; "" is DefaultDocs.
	Docs string
	// Version is galley's own, for formats that name the tool.
	Version string
	// Rules are those that may have run, and Page gives the Markdown page of one by
	// its ID, for formats that describe rules (SARIF). Both may be nil.
	Rules []lint.Rule
	Page  func(id string) (string, bool)
	// Line gives the text of a line of a finding's file, without its line end, for
	// formats that count bytes (RDJSON): a finding carries its first line only.
	// Places on lines that it does not give have no columns. Lines makes one.
	Line func(file string, n int) (string, bool)
}

// Write writes r to w. The error is w's, or of an unknown format.
func Write(w io.Writer, r *lint.Result, opts Options) error {
	out, err := written(r, opts)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if _, err = w.Write(out); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func written(r *lint.Result, opts Options) ([]byte, error) {
	format, err := ParseFormat(string(opts.Format))
	if err != nil {
		return nil, err
	}
	for _, w := range writers {
		if w.format == format {
			return w.write(r, opts)
		}
	}
	return textReport(r, opts)
}
