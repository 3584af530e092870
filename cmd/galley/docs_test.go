package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

func parses(command string) error {
	parser, err := newParser(&cli{}, newStreams(strings.NewReader(""), io.Discard, io.Discard), func(int) {})
	if err != nil {
		return err
	}
	_, err = parser.Parse(strings.Fields(command)[1:])
	return err
}
