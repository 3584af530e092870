package report

import (
	"path"
	"strings"
	"unicode/utf8"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// Lines gives the lines of the targets' files for Options.Line, from wherever the
// targets were read. Each file is read once, when it is first asked for. It is
// for one goroutine.
func Lines(targets []lint.Target) func(file string, n int) (string, bool) {
	texts := map[string]*recipe.Text{}
	return func(file string, n int) (string, bool) {
		text, known := texts[file]
		if !known {
			text = textOf(targets, file)
			texts[file] = text
		}
		if text == nil || n < 1 || n > text.Lines() {
			return "", false
		}
		return text.Line(n), true
	}
}

// textOf is a finding's file as its target has it, nil when none has it.
func textOf(targets []lint.Target, file string) *recipe.Text {
	for i := range targets {
		t := &targets[i]
		name, ok := file, true
		if dir := path.Clean(t.Dir); dir != "." {
			name, ok = strings.CutPrefix(file, strings.TrimSuffix(dir, "/")+"/")
		}
		if !ok || t.Recipe == nil {
			continue
		}
		if data, err := t.Recipe.ReadFile(name); err == nil {
			return recipe.NewText(file, data)
		}
	}
	return nil
}

// lineOf is a line of a finding's files.
func (o Options) lineOf(f *lint.Finding, file string, n int) (string, bool) {
	if file == f.File && n == f.Start.Line && f.Source != "" {
		return f.Source, true
	}
	if o.Line == nil {
		return "", false
	}
	return o.Line(file, n)
}

// bytesBefore is how many bytes of a line stand before a column.
func bytesBefore(line string, column int) int {
	at := 0
	for ; column > 1 && at < len(line); column-- {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at
}
