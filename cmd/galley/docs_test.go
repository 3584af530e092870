package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
)

// inText is a command in running text or a table: `galley app …`.
var inText = regexp.MustCompile("`(galley [^`]+)`")

// TestDocumentedCommandsExist parses every galley command of the operators'
// pages: a flag or a command that is not there any more fails here.
func TestDocumentedCommandsExist(t *testing.T) {
	for _, page := range []string{"operating.md", "servers.md", "backups.md"} {
		f, err := os.Open(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		commands, shell := 0, false
		for lines := bufio.NewScanner(f); lines.Scan(); {
			line := strings.TrimSpace(lines.Text())
			if strings.HasPrefix(line, "```") {
				shell = line == "```sh"
			}
			for _, command := range commandsIn(line, shell) {
				commands++
				if err := parses(command); err != nil {
					t.Errorf("%s: %q: %v", page, command, err)
				}
			}
		}
		if commands < 10 {
			t.Errorf("%s has only %d commands", page, commands)
		}
	}
	if parses("galley app fly DOMAIN") == nil || parses("galley app ls --wings") == nil {
		t.Error("a command that is not there parses")
	}
}

// commandsIn are the galley commands of a line: of a shell block, of a unit, or in
// running text.
func commandsIn(line string, shell bool) (commands []string) {
	if rest, ok := strings.CutPrefix(line, "ExecStart=/usr/local/bin/"); ok {
		return []string{rest}
	}
	if shell && strings.HasPrefix(line, "galley ") {
		return []string{line}
	}
	for _, found := range inText.FindAllStringSubmatch(line, -1) {
		commands = append(commands, found[1])
	}
	return commands
}

// grammar is the parser of all commands, made once: it takes longer than parsing does.
var grammar = sync.OnceValues(func() (*kong.Kong, error) {
	return newParser(&cli{}, newStreams(strings.NewReader(""), io.Discard, io.Discard), func(int) {})
})

func parses(command string) error {
	parser, err := grammar()
	if err != nil {
		return err
	}
	_, err = parser.Parse(strings.Fields(command)[1:])
	return err
}

// bareStep is a command of .ci/bare that the story for people has, too: by its words.
var bareStep = regexp.MustCompile(`(?m)^(?:quietly|expect (?:"[^"]*"|\S+)) galley ((?:app|server) [a-z]+(?: [a-z]+)?)(?: |$)`)

// TestBareStoryIsTold holds docs/operating.md and .ci/bare in step: the section has the
// script's commands in the script's order.
func TestBareStoryIsTold(t *testing.T) {
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, story, found := strings.Cut(read("docs", "operating.md"), "\n## From a bare machine to a restored app\n")
	story, _, _ = strings.Cut(story, "\n## ")
	steps, told := 0, ""
	for _, match := range bareStep.FindAllStringSubmatch(read(".ci", "bare"), -1) {
		words := strings.Fields(match[1])
		if words[1] != "secret" && words[1] != "backup" { // the third is an argument
			words = words[:2]
		}
		step := "\ngalley " + strings.Join(words, " ") + " "
		if step == told {
			continue
		}
		steps, told = steps+1, step
		_, rest, ok := strings.Cut(story, step)
		if !ok {
			t.Errorf("the story does not go on with %q, and .ci/bare does", strings.TrimSpace(step))
			continue
		}
		story = "\n" + rest
	}
	if !found || steps < 8 {
		t.Errorf("%d steps, story found: %v", steps, found)
	}
}
