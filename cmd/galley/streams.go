package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/galley-coop/galley/internal/fault"
)

// streams are a command's input and output and what is known of them.
type streams struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	// ask says that standard input is a terminal; progress that standard error
	// is one; colour that standard output is one and NO_COLOR is not set.
	ask, progress, colour bool
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

func (s *streams) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

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

// status shows one line of progress on a terminal, over the last one, and
// nothing elsewhere. An empty text clears it.
func (s *streams) status(format string, args ...any) {
	if s.progress {
		fmt.Fprintf(s.err, "\r\x1b[K%s", oneLine(fmt.Sprintf(format, args...)))
	}
}

// confirm asks a yes-or-no question. Without a terminal, or with --no-input, it
// is refused with the flag that answers it.
func (s *streams) confirm(question, flag string, noInput bool) error {
	if !s.ask || noInput {
		err := fault.New(fault.Usage, "this needs a yes, and there is no terminal to ask on")
		return fault.Hint(err, "look at the plan, then give %s", flag)
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && answer == "" {
		return fault.New(fault.Interrupted, "no answer; nothing was changed")
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fault.New(fault.Interrupted, "the answer was no; nothing was changed")
	}
	return nil
}
