package recipe

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Bytes is the file's text: byte for byte what was parsed when nothing was
// edited. It must not be changed.
func (e *EnvFile) Bytes() []byte { return e.Text.Bytes }

// Set gives name the value, literally: a "$" in it will not be expanded. The
// active declaration is replaced in place, its export, kind of quotes and comment
// kept (the last one when there are several: it wins); without one a new line
// goes behind the commented declaration, or at the end of the file.
//
// It refuses a name that no shell accepts, and a value with a line end or a NUL:
// not every reader of env files understands those. On an error nothing changes.
func (e *EnvFile) Set(name, value string) error {
	if name == "" || nameLen(name) != len(name) {
		return fmt.Errorf("setting %q: no variable name; expected letters, digits and _", name)
	}
	if strings.ContainsAny(value, "\n\x00") {
		return fmt.Errorf("setting %s: the value has a line end or a NUL; expected one line", name)
	}
	edited := e.with(name, value)
	if v, ok := edited.Get(name); !ok || v.Value != value || !sameOthers(e, edited, name) {
		return fmt.Errorf("setting %s in %s: an earlier line lacks a closing quote and would take this one in", name, e.Text.Path)
	}
	*e = *edited
	return nil
}

// with is the file with name set.
func (e *EnvFile) with(name, value string) *EnvFile {
	if i := e.last(name, false); i >= 0 {
		v := e.lines[i].variable
		return e.splice(v.valueFrom, v.valueTo, quoteEnv(value, v.Quote))
	}
	line := name + "=" + quoteEnv(value, 0)
	if i := e.last(name, true); i >= 0 {
		at := e.lines[i].to
		return e.splice(at, at, e.lineEnding()+line)
	}
	end := len(e.Text.Bytes)
	switch {
	case end == 0 || string(e.Text.Bytes) == byteOrderMark || e.Text.Bytes[end-1] == '\n':
		return e.splice(end, end, line+e.lineEnding())
	case e.Text.Bytes[end-1] == '\r':
		return e.splice(end, end, "\n"+line)
	default: // a file without a last line end stays one
		return e.splice(end, end, e.lineEnding()+line)
	}
}

// Unset comments the active declarations of name out, all of them: with only the
// last one gone, an earlier one would come back to life.
func (e *EnvFile) Unset(name string) error {
	old := e.Text.Bytes
	var text []byte
	done := 0
	for _, l := range e.lines {
		v := l.variable
		if v == nil || v.Commented || v.Name != name {
			continue
		}
		named := e.Text.Offset(v.NameRange.End)
		declaration := slices.Concat(old[l.at:named], []byte("="), old[v.valueFrom:l.to]) // no blanks around "=": prose has those
		text = slices.Concat(text, old[done:l.at], []byte("# "), bytes.ReplaceAll(declaration, []byte("\n"), []byte("\n#")))
		done = l.to
	}
	edited := ParseEnv(NewText(e.Text.Path, append(text, old[done:]...)))
	if _, ok := edited.Get(name); ok || !sameOthers(e, edited, name) {
		return fmt.Errorf("unsetting %s in %s: an earlier line lacks a closing quote", name, e.Text.Path)
	}
	*e = *edited
	return nil
}

// SetRecipe writes what Recipe reads: the recipe and, when it is not "", its
// version. TYPE and RECIPE are both kept up when both are there; a file with
// neither gets TYPE, which every client reads.
func (e *EnvFile) SetRecipe(name, version string) error {
	if version != "" {
		name += ":" + version
	}
	edited, found := *e, false
	for _, key := range recipeKeys {
		if _, ok := e.Get(key); !ok {
			continue
		}
		found = true
		if err := edited.Set(key, name); err != nil {
			return err
		}
	}
	if !found {
		if err := edited.Set("TYPE", name); err != nil {
			return err
		}
	}
	*e = edited
	return nil
}

// splice parses the file anew with text in place of the bytes [from, to).
func (e *EnvFile) splice(from, to int, text string) *EnvFile {
	old := e.Text.Bytes
	return ParseEnv(NewText(e.Text.Path, slices.Concat(old[:from], []byte(text), old[to:])))
}

// lineEnding is the one that the file's first line has.
func (e *EnvFile) lineEnding() string {
	if n := bytes.IndexByte(e.Text.Bytes, '\n'); n > 0 && e.Text.Bytes[n-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// sameOthers says whether two files agree on everything but one name: an edit
// beside an unclosed quote could change what the lines around it mean.
func sameOthers(a, b *EnvFile, name string) bool {
	others := func(e *EnvFile) []string {
		var all []string
		for _, l := range e.lines {
			if l.kind == lineOther || l.variable != nil && l.variable.Name != name {
				all = append(all, string(e.Text.Bytes[l.from:l.to]))
			}
		}
		return all
	}
	return slices.Equal(others(a), others(b))
}

// quoteEnv writes a value so that it is read back literally, with the wanted
// kind of quotes where they can hold it. Single quotes with a backslash inside
// are avoided: some readers take \' for an escape.
func quoteEnv(value string, quote byte) string {
	switch {
	case quote == 0 && isPlainEnv(value):
		return value
	case quote != '"' && !strings.ContainsAny(value, "'\\\r"):
		return "'" + value + "'"
	}
	return `"` + envEscapes.Replace(value) + `"`
}

var envEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`", "\r", `\r`)

// isPlainEnv says whether the value means the same without quotes, to every
// reader and every shell.
func isPlainEnv(value string) bool {
	return strings.IndexFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,=", r))
	}) < 0
}
