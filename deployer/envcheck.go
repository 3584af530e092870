package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// EnvFinding is one thing that a check of an app's env file found.
type EnvFinding struct {
	// Severity is EnvError for what keeps the app from running as meant, else
	// EnvWarning.
	Severity string `json:"severity"`
	Variable string `json:"variable"` // "" for none
	Message  string `json:"message"`
	// File is the env file, or a file of the recipe; Line and Column count from 1,
	// and are 0 when there is no place.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// The severities of an EnvFinding.
const (
	EnvError   = "error"
	EnvWarning = "warning"
)

// String is "file:line:col: message".
func (f EnvFinding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// EnvFails tells whether there is an error among findings.
func EnvFails(findings []EnvFinding) bool {
	return slices.ContainsFunc(findings, func(f EnvFinding) bool { return f.Severity == EnvError })
}

// CheckEnv compares an app's env file with a version of its recipe, and makes the
// stack that a deploy would. It asks no engine. The stack is nil when there is none
// to be made. Lines that cannot be read come first, then what is missing, then the
// rest, each in the file's order.
func CheckEnv(ctx context.Context, app App, r *recipe.Recipe, entry *catalogue.Entry) ([]EnvFinding, *Desired) {
	c := envCheck{app: app, recipe: r, findings: []EnvFinding{}}
	c.unreadable()
	c.missing()
	c.unknown()
	c.secretVersions()
	c.composeFiles()
	if c.blocked {
		return c.findings, nil
	}
	if c.undefined(); c.blocked {
		return c.findings, nil
	}
	desired, err := NewDesired(ctx, Input{App: app, Recipe: r, Entry: entry})
	if err != nil {
		message := err.Error()
		if hint := fault.HintOf(err); hint != "" {
			message += " (" + hint + ")"
		}
		c.add(EnvError, "", recipe.Range{}, "%s", oneLine(message))
	}
	return c.findings, desired
}

type envCheck struct {
	app      App
	recipe   *recipe.Recipe
	findings []EnvFinding
	blocked  bool // the stack cannot be made, and it was said why
}

func (c *envCheck) add(severity, variable string, at recipe.Range, format string, args ...any) {
	file := cmp.Or(at.File, c.app.Path)
	c.findings = append(c.findings, EnvFinding{severity, variable, fmt.Sprintf(format, args...), file, at.Start.Line, at.Start.Column})
}

// unreadable are lines that are no declarations, and variables without a value.
func (c *envCheck) unreadable() {
	base := recipe.MapLookup(map[string]string{"STACK_NAME": c.app.Stack, "COMPOSE_FILE": recipe.DefaultComposeFile})
	_, unset := c.app.Env.Environ(base)
	seen := map[recipe.EnvProblem]bool{}
	for _, p := range append(slices.Clone(c.app.Env.Problems()), unset...) {
		if seen[p] {
			continue
		}
		seen[p] = true
		if c.app.aboutModifier(p) {
			c.add(EnvWarning, "", p.Range, "%s", p.Message)
			continue
		}
		c.add(EnvError, "", p.Range, "%s", p.Message)
		c.blocked = true
	}
}

// missing is what the sample sets and the env file does not speak of.
func (c *envCheck) missing() {
	for _, v := range missingIn(c.app.Env, c.recipe.Sample) {
		c.add(EnvError, v.Name, recipe.Range{}, "%s is missing; the recipe's %s has it at line %d", v.Name, recipe.SampleName, v.NameRange.Start.Line)
	}
}

// missingIn are the active declarations of a sample that an env file lacks, even
// commented out, in the sample's order.
func missingIn(env, sample *recipe.EnvFile) []recipe.EnvVar {
	var missing []recipe.EnvVar
	if sample == nil {
		return nil
	}
	seen := map[string]bool{"TYPE": true, "RECIPE": true}
	for _, v := range sample.Vars() {
		if !v.Commented && !seen[v.Name] && !env.Declared(v.Name) {
			missing = append(missing, v)
		}
		if !v.Commented {
			seen[v.Name] = true
		}
	}
	return missing
}

// commonVariables are read by clients of recipes, whatever a recipe says.
var commonVariables = []string{
	"TYPE", "RECIPE", "DOMAIN", "EXTRA_DOMAINS", "LETS_ENCRYPT_ENV", "COMPOSE_FILE", "TIMEOUT", "STACK_NAME",
	"ENABLE_AUTO_UPDATE", "ENABLE_BACKUPS", catalogueVariable,
}

// unknown is what nothing of the recipe asks for: often a name that was mistyped, or
// that the recipe used to have.
func (c *envCheck) unknown() {
	known := c.known()
	var names []string
	for _, name := range sortedKeys(known) {
		names = append(names, strings.ToLower(name)) // as Near compares
	}
	seen := map[string]bool{}
	for _, v := range c.app.Env.Vars() {
		if v.Commented || known[v.Name] || seen[v.Name] {
			continue
		}
		seen[v.Name] = true
		message := v.Name + " is not known to the recipe"
		if near := fault.Near(v.Name, names); len(near) > 0 {
			message += "; did you mean " + strings.ToUpper(strings.Join(near, ", ")) + "?"
		}
		c.add(EnvWarning, v.Name, v.NameRange, "%s", message)
	}
}

func (c *envCheck) known() map[string]bool {
	known := map[string]bool{}
	for _, name := range commonVariables {
		known[name] = true
	}
	if c.recipe.Sample != nil {
		for _, v := range c.recipe.Sample.Vars() {
			known[v.Name] = true
		}
	}
	for _, d := range c.recipe.Documents() {
		for _, use := range d.Uses() {
			known[use.Variable.Name] = true
		}
	}
	if c.recipe.Script != nil {
		for _, export := range c.recipe.Script.Exports {
			known[export.Name] = true
		}
	}
	for _, v := range c.app.Env.Vars() { // a variable of one's own, that others are made of
		if v.Commented || v.Quote == '\'' {
			continue
		}
		for _, used := range recipe.Variables(v.Raw) {
			known[used.Name] = true
		}
	}
	return known
}

// secretVersions have to say something: they are part of secrets' names.
func (c *envCheck) secretVersions() {
	for _, s := range c.app.Env.Secrets() {
		if !s.Commented && strings.TrimSpace(s.Version) == "" {
			name := "SECRET_" + s.Key + "_VERSION"
			c.add(EnvError, name, s.Range, "%s has no value; expected a version like v1", name)
		}
	}
}

// composeFiles must be in the recipe.
func (c *envCheck) composeFiles() {
	v, _ := c.app.Env.Get("COMPOSE_FILE")
	for _, name := range c.app.composeFiles(c.recipe) {
		if c.recipe.Document(name) != nil {
			continue
		}
		var have []string
		for _, d := range c.recipe.Documents() {
			have = append(have, d.Text.Path)
		}
		c.add(EnvError, "COMPOSE_FILE", v.ValueRange, "the recipe has no compose file %q; it has %s", name, strings.Join(have, ", "))
		c.blocked = true
	}
}

// undefined are variables that would silently be empty.
func (c *envCheck) undefined() {
	values, err := c.app.Environ()
	if err != nil {
		return // told as unreadable
	}
	seen := map[string]bool{}
	for _, use := range c.recipe.Undefined(c.app.composeFiles(c.recipe), c.recipe.Environment(values, c.app.Stack)) {
		if name := use.Variable.Name; !seen[name] {
			seen[name] = true
			c.add(EnvError, name, use.Range, "%s has no value; add it to %s", name, c.app.Path)
			c.blocked = true
		}
	}
}
