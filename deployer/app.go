package deployer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// App is one deployment of a recipe: an env file under a server.
type App struct {
	Domain string // the env file's name without ".env"
	Server string // the folder it stands in: a docker context's name
	Path   string // of the env file
	Env    *recipe.EnvFile
	// Recipe and Version are what the env file's TYPE or RECIPE says; Version is
	// "" before the first deploy.
	Recipe, Version string
	Catalogue       string // the name that GALLEY_CATALOGUE_NAME gives, "" for any
	Stack           string // the stack's name on the swarm
}

// maxStackName is where clients of recipes cut a stack's name, so that room is
// left for the names of services, configs and secrets.
const maxStackName = 45

// StackName is the name that clients of recipes give a domain's stack: dots
// become underscores, and what is too long is cut.
func StackName(domain string) string {
	name := strings.ReplaceAll(domain, ".", "_")
	return name[:min(len(name), maxStackName)]
}

// maxEnvFile bounds an env file, in bytes; the largest seen has 12 kB.
const maxEnvFile = 1 << 20

// loadApp reads an env file.
func loadApp(server, domain, path string) (App, error) {
	info, err := os.Stat(path)
	if err != nil {
		return App{}, fmt.Errorf("reading the env file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxEnvFile {
		return App{}, fmt.Errorf("reading the env file: %q is not a regular file of at most %d bytes", path, maxEnvFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return App{}, fmt.Errorf("reading the env file: %w", err)
	}
	return newApp(server, domain, recipe.ParseEnv(recipe.NewText(path, data))), nil
}

func newApp(server, domain string, env *recipe.EnvFile) App {
	a := App{Domain: domain, Server: server, Path: env.Text.Path, Env: env, Stack: StackName(domain)}
	a.Recipe, a.Version = env.Recipe()
	if v, ok := env.Get(catalogueVariable); ok {
		a.Catalogue = v.Value
	}
	if values, _ := env.Environ(nil); values["STACK_NAME"] != "" {
		a.Stack = values["STACK_NAME"]
	}
	return a
}

// Environ gives the app's variables their values. A variable that an earlier
// line, STACK_NAME or a default does not give is an error that names the file
// and the line, and so is a line that cannot be read; all of them are told.
func (a App) Environ() (map[string]string, error) {
	base := recipe.MapLookup(map[string]string{"STACK_NAME": a.Stack, "COMPOSE_FILE": recipe.DefaultComposeFile})
	env, undefined := a.Env.Environ(base)
	var problems []string
	for _, p := range append(slices.Clone(a.Env.Problems()), undefined...) {
		if !a.aboutModifier(p) && !slices.Contains(problems, p.Error()) {
			problems = append(problems, p.Error())
		}
	}
	if len(problems) > 0 {
		err := fault.New(fault.Unavailable, "%s", strings.Join(problems, "; "))
		return nil, fault.Hint(err, "edit the env file; a dollar sign that is meant is written in single quotes")
	}
	return env, nil
}

// aboutModifier tells a malformed "# length=…" comment: that is only of interest
// to who generates the secret.
func (a App) aboutModifier(p recipe.EnvProblem) bool {
	return slices.ContainsFunc(a.Env.Vars(), func(v recipe.EnvVar) bool {
		return slices.ContainsFunc(v.Modifiers, func(m recipe.Modifier) bool { return m.Range == p.Range })
	})
}

// composeFiles are the files the app is made of, nil for the recipe's base alone.
func (a App) composeFiles(r *recipe.Recipe) []string {
	if _, ok := a.Env.Get("COMPOSE_FILE"); !ok {
		return nil
	}
	files := a.Env.ComposeFiles()
	for i, name := range files { // $COMPOSE_FILE in a recipe whose base has another name
		if name == recipe.DefaultComposeFile && r.Document(name) == nil && r.Base != nil {
			files[i] = r.Base.Text.Path
		}
	}
	return files
}

// CanRecord tells why Record would not do, before anything is deployed whose
// version the env file then contradicts.
func (a App) CanRecord() error {
	path, err := filepath.EvalSymlinks(a.Path)
	if err == nil {
		var temp string
		if temp, err = writeTemp(filepath.Dir(path), nil, 0o600); err == nil {
			err = os.Remove(temp)
		}
	}
	if err != nil {
		err = fmt.Errorf("the deployed version could not be written to %s: %w", a.Path, err)
		return fault.Hint(err, "let galley write to the env file's folder, or take another one with --dir; nothing was changed")
	}
	return nil
}

// Record writes the deployed version into the env file: TYPE=recipe:version. The
// file is read anew, because the operator may have edited it meanwhile; mode,
// owner and every other line stay.
func (a *App) Record(version string) error {
	fresh, err := loadApp(a.Server, a.Domain, a.Path)
	if err != nil {
		return fmt.Errorf("recording the version: %w", err)
	}
	name := a.Recipe
	if fresh.Recipe != "" {
		name = fresh.Recipe
	}
	if name != a.Recipe {
		return fmt.Errorf("recording the version: %s names the recipe %q now; expected %q", a.Path, name, a.Recipe)
	}
	if fresh.Version == version {
		*a = fresh
		return nil
	}
	if err := fresh.Env.SetRecipe(name, version); err != nil {
		return fmt.Errorf("recording the version: %w", err)
	}
	if err := replaceFile(a.Path, fresh.Env.Bytes()); err != nil {
		return fmt.Errorf("recording the version: %w", err)
	}
	fresh.Version = version
	*a = fresh
	return nil
}

var errNoRecipe = errors.New("it names no recipe: there is no TYPE= or RECIPE= line")
