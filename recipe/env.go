package recipe

import (
	"path"
	"strings"
)

// EnvProblem is a line of an env file that cannot be read, or a variable in it
// that has no value.
type EnvProblem = Problem

// EnvFile is an env file as it stands: a recipe's .env.sample, or an app's env
// file. It reads what operators write by hand and clients write back, and it
// edits in place, so every comment, blank line and unreadable line stays.
//
// The rules are those of shells where env files and shells agree: the last
// declaration wins, single quotes are literal, a "#" starts a comment only
// behind a blank. As in other env readers an unquoted value runs to the end of
// its line, blanks included, and \n, \r and \t in double quotes are escapes.
// Nothing is executed: $(…) is text.
type EnvFile struct {
	Text     *Text
	lines    []envLine
	problems []EnvProblem
}

type lineKind int

const (
	lineBlank lineKind = iota
	lineComment
	lineVar
	lineOther // kept as it is, because it could not be read
)

// envLine is one logical line: a declaration with a quoted value may span
// several lines of the text.
type envLine struct {
	kind     lineKind
	from, to int // bytes of the text, without the line end
	at       int // the first byte that is no blank
	variable *EnvVar
}

// EnvVar is one declaration.
type EnvVar struct {
	Name string
	// Value has its quotes and escapes removed and its variables not expanded;
	// Environ expands. It is empty for a commented declaration: see Sample.
	Value     string
	Raw       string // the value as it is written, quotes included
	Quote     byte   // '\'', '"', or 0 when unquoted
	Export    bool   // written as "export NAME=…"
	Commented bool   // "# NAME=…": declared, and has no value
	Comment   string // the trailing comment, without its "#"
	Modifiers []Modifier
	// Range is the whole declaration, its "#" or export and its comment included.
	NameRange, ValueRange, Range Range

	valueFrom, valueTo int // bytes of Raw in the text
}

// Modifier is a key=value in a declaration's trailing comment, such as
// "length=32" behind a secret's version.
type Modifier struct {
	Key, Value string
	Range      Range
}

// Sample is the value that the declaration gives, or would give once it is
// un-commented: quotes and escapes removed, variables not expanded.
func (v EnvVar) Sample() string {
	if !v.Commented {
		return v.Value
	}
	raw := v.Raw
	if strings.Contains(raw, "\n") {
		lines := strings.Split(raw, "\n")
		for i := range lines[1:] {
			lines[i+1] = strings.TrimPrefix(strings.TrimLeft(lines[i+1], " \t"), "#")
		}
		raw = strings.Join(lines, "\n")
	}
	return unquoteEnv(raw, v.Quote)
}

// Vars lists the declarations in the file's order, the commented and the
// repeated ones among them.
func (e *EnvFile) Vars() []EnvVar {
	var vars []EnvVar
	for _, l := range e.lines {
		if l.variable != nil {
			vars = append(vars, *l.variable)
		}
	}
	return vars
}

// Problems lists what cannot be read, and malformed modifiers of secrets, in
// the file's order.
func (e *EnvFile) Problems() []EnvProblem { return e.problems }

// Get finds the active declaration of name. The last one wins, as in shells.
func (e *EnvFile) Get(name string) (EnvVar, bool) {
	if i := e.last(name, false); i >= 0 {
		return *e.lines[i].variable, true
	}
	return EnvVar{}, false
}

// Declared says whether the file mentions name, active or commented.
func (e *EnvFile) Declared(name string) bool {
	return e.last(name, false) >= 0 || e.last(name, true) >= 0
}

// last is the index of name's last declaration of that kind, -1 without one.
func (e *EnvFile) last(name string, commented bool) int {
	for i := len(e.lines) - 1; i >= 0; i-- {
		if v := e.lines[i].variable; v != nil && v.Name == name && v.Commented == commented {
			return i
		}
	}
	return -1
}

// DefaultComposeFile is what an env file without COMPOSE_FILE deploys.
const DefaultComposeFile = "compose.yml"

// ComposeFiles lists the compose files that the app is made of, base first:
// COMPOSE_FILE expanded, split at ":" and cleaned as slash-separated paths, or
// compose.yml. The paths are what the file says: whether they stay inside the
// recipe is for the reader of the files to check.
//
// COMPOSE_FILE="$COMPOSE_FILE:compose.x.yml" appends to the earlier value; the
// first one appends to compose.yml, because that is what the operator un-commented
// it for.
func (e *EnvFile) ComposeFiles() []string {
	env, _ := e.Environ(func(name string) (string, bool) {
		return DefaultComposeFile, name == "COMPOSE_FILE"
	})
	var files []string
	seen := map[string]bool{}
	for _, file := range strings.Split(env["COMPOSE_FILE"], ":") {
		if file = strings.TrimSpace(file); file == "" {
			continue
		}
		if file = path.Clean(file); !seen[file] {
			seen[file] = true
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return []string{DefaultComposeFile}
	}
	return files
}

// Recipe is the recipe that the file names and the version written behind it,
// "" when there is none: RECIPE=name:version, or TYPE= in older files. RECIPE wins.
func (e *EnvFile) Recipe() (name, version string) {
	for _, key := range recipeKeys {
		if v, ok := e.Get(key); ok && v.Value != "" {
			name, version, _ = strings.Cut(v.Value, ":")
			return name, version
		}
	}
	return "", ""
}

// recipeKeys are the variables that name the recipe, the one that wins first.
var recipeKeys = []string{"RECIPE", "TYPE"}
