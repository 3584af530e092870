package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/galley-coop/galley/internal/fault"
)

// TestEveryCommandHasExamples walks the grammar: a command that does not show how
// it is used, or is explained by nothing, is not finished.
func TestEveryCommandHasExamples(t *testing.T) {
	parser, err := newParser(&cli{}, newStreams(strings.NewReader(""), io.Discard, io.Discard), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if n, ok := node.(*kong.Node); ok && n.Type == kong.CommandNode && !n.Hidden && len(n.Children) == 0 {
			commands++
			checkHelp(t, n)
		}
		return next(nil)
	})
	if err != nil || commands < 20 {
		t.Fatalf("%d commands were visited, error %v", commands, err)
	}
}

func checkHelp(t *testing.T, n *kong.Node) {
	path := strings.Fields(n.FullPath())[1:] // without "galley"
	var command []string
	for _, word := range path {
		if !strings.HasPrefix(word, "<") {
			command = append(command, word)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := Main(append(command, "--help"), strings.NewReader(""), &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("%v --help: exit code %d, standard error %q", command, code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "Examples:") {
		t.Errorf("galley %v --help has no examples:\n%s", command, stdout.String())
	}
	if !strings.Contains(stdout.String(), "galley "+strings.Join(command, " ")) {
		t.Errorf("galley %v --help does not show the command:\n%s", command, stdout.String())
	}
	for _, flag := range n.Flags {
		if flag.Help == "" {
			t.Errorf("galley %v: flag --%s has no help", command, flag.Name)
		}
	}
	if n.Help == "" {
		t.Errorf("galley %v has no summary", command)
	}
}

func TestErrorForm(t *testing.T) {
	good := "galley: error: app \"x\" is not there\ngalley: hint: galley app ls lists them\n"
	if err := checkError("", good, 3, false); err != nil {
		t.Errorf("a good error: %v", err)
	}
	for name, stderr := range map[string]string{
		"nothing said":     "",
		"capital":          "galley: error: Something went wrong\n",
		"full stop":        "galley: error: something went wrong.\n",
		"type name":        "galley: error: *fs.PathError: x\n",
		"two errors":       "galley: error: a\ngalley: error: b\n",
		"hint first":       "galley: hint: a\ngalley: error: b\n",
		"a stack below":    "galley: error: a\ngoroutine 1 [running]:\n",
		"broken verb":      "galley: error: reading %!q(MISSING)\n",
		"line not at last": "galley: error: a\nmore\n",
	} {
		if checkError("", stderr, 3, false) == nil {
			t.Errorf("%s is taken for a good error: %q", name, stderr)
		}
	}
}

// TestAnswerThatIsLost writes to a device that is always full.
func TestAnswerThatIsLost(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err) // not a Linux
	}
	defer full.Close()
	for _, args := range [][]string{{"explain", "R001"}, {"version"}, {"lint", "testdata/recipe"}} {
		var said bytes.Buffer
		if code := Main(args, strings.NewReader(""), full, &said); code != 3 || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%q: code %d and %q", args, code, said.String())
		}
	}
}

func TestOneLine(t *testing.T) {
	for given, want := range map[string]string{
		"as it is":                          "as it is",
		"  blanks\tand \r\n":                "blanks and",
		"two errors\njoined":                "two errors; joined",
		"what follows:\n  stands\n\nhere\n": "what follows: stands; here",
		"\n\nlate":                          "late",
		"esc\x1b[31m":                       "esc\ufffd[31m",
		"":                                  "",
	} {
		if got := oneLine(given); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestReaderThatHasEnough(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if code := Main([]string{"explain"}, strings.NewReader(""), writer, &said); code != exitPipe || said.Len() > 0 {
		t.Errorf("code %d and %q, want %d and no word", code, said.String(), exitPipe)
	}
	if code := Main([]string{"lint", "nowhere"}, strings.NewReader(""), writer, &said); code != 3 || said.Len() == 0 {
		t.Errorf("code %d and %q for what is not the pipe's fault, want 3 and an error", code, said.String())
	}
}

func TestQuestionEndsWithCtrlC(t *testing.T) {
	reader, writer := io.Pipe() // somebody who does not answer
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var said bytes.Buffer
	s := &streams{in: reader, err: &said, ask: true}
	cancel()
	if err := s.confirm(ctx, "Sure?", "--yes", false); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("error = %v, want one of the kind interrupted", err)
	}
	s = &streams{in: strings.NewReader("y\n"), err: &said, ask: true}
	if err := s.confirm(t.Context(), "Sure?", "--yes", false); err != nil {
		t.Errorf("a yes is refused: %v", err)
	}
}
