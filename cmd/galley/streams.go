package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// streams are a command's input and output and what is known of them.
type streams struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	// prometheus asks for the answer as metrics; commands that have none refuse it.
	prometheus bool
	// ask says that standard input is a terminal; progress that standard error
	// is one; colour that standard output is one and NO_COLOR is not set.
	ask, progress, colour bool
	lost                  error // the first failure to write the answer
	hooks                 deployer.Hooks
}

func newStreams(in io.Reader, out, err io.Writer) *streams {
	s := &streams{in: in, out: out, err: err, ask: isTerminal(in), progress: isTerminal(err)}
	s.colour = isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printJSON writes one document with a final newline.
func (s *streams) printJSON(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printf prints a part of the answer. That it could not be written is told at the
// end: whoever reads half an answer must not take it for the whole.
func (s *streams) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil && s.lost == nil {
		s.lost = fmt.Errorf("writing the answer: %w", err)
	}
}

// notef is for what is not the answer: progress ends, warnings, what was left
// alone.
func (s *streams) notef(format string, args ...any) { fmt.Fprintf(s.err, format, args...) }

// table aligns rows under a header. Cells hold no tabs and no newlines.
func (s *streams) table(header []string, rows [][]string) error {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			indent := len(cell) - len(strings.TrimLeft(cell, " "))
			cells[i] = cell[:indent] + oneLine(cell)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(s.out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// report answers with a document, which --report keeps in a file, too.
func (s *streams) report(document interface{ Write(file string) error }, file string, text func() error) error {
	if file != "" {
		if err := document.Write(file); err != nil {
			return err
		}
	}
	if s.json {
		return s.printJSON(document)
	}
	return text()
}

// count is a number with its noun, in the plural where it must be.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// status shows one line of progress on a terminal, over the last one, and
// nothing elsewhere. An empty text clears it.
func (s *streams) status(format string, args ...any) {
	if s.progress {
		fmt.Fprintf(s.err, "\r\x1b[K%s", oneLine(fmt.Sprintf(format, args...)))
	}
}

// confirm asks a yes-or-no question. Without a terminal, or with --no-input, it
// is refused with the flag that answers it. Ctrl-C is a no.
func (s *streams) confirm(ctx context.Context, question, flag string, noInput bool) error {
	if !s.ask || noInput {
		err := fault.New(fault.Usage, "this needs a yes, and there is no terminal to ask on")
		return fault.Hint(err, "look at what it would do, then give %s", flag)
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := unlessCancelled(ctx, func() (string, error) { return bufio.NewReader(s.in).ReadString('\n') })
	if err != nil && answer == "" {
		fmt.Fprintln(s.err)
		return fault.New(fault.Interrupted, "no answer; nothing was changed")
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fault.New(fault.Interrupted, "the answer was no; nothing was changed")
	}
	return nil
}

// unlessCancelled waits for someone at a terminal, which nothing but the end of
// the process takes back: after a ctrl-C the read is left alone.
func unlessCancelled[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := read()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
