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

// The formats: for people, and for programs (schemas/lint-report.schema.json).
const (
	Text Format = "text"
	JSON Format = "json"
)

// Formats are the names that ParseFormat knows.
func Formats() []string { return []string{string(Text), string(JSON)} }

// ParseFormat reads a name of Formats; "" is Text.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case "":
		return Text, nil
	case Text, JSON:
		return f, nil
	}
	return "", fault.New(fault.Usage, "%q is no report format; expected %s", name, strings.Join(Formats(), " or "))
}

// Options change how a result is written.
type Options struct {
	Format Format
	// Color allows escape sequences for colours in Text.
	Color bool
}

// Write writes r to w. The error is w's, or of an unknown format.
func Write(w io.Writer, r *lint.Result, opts Options) error {
	var out []byte
	var err error
	switch opts.Format {
	case "", Text:
		out = text(r, opts.Color)
	case JSON:
		out, err = jsonReport(r)
	default:
		_, err = ParseFormat(string(opts.Format))
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if _, err = w.Write(out); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
