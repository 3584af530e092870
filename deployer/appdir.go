package deployer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Dir is where an operator's env files are: servers/<server>/<domain>.env, the
// layout that other clients of recipes use, too.
type Dir struct{ Root string }

// DefaultDir is $GALLEY_DIR, else ~/.galley.
func DefaultDir() (Dir, error) {
	if root := os.Getenv("GALLEY_DIR"); root != "" {
		return Dir{root}, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return Dir{}, fault.Hint(fmt.Errorf("finding the env files: %w", err), "set GALLEY_DIR")
	}
	return Dir{filepath.Join(home, ".galley")}, nil
}

func (d Dir) servers() string { return filepath.Join(d.Root, "servers") }

const envSuffix = ".env"

// Apps lists the apps by domain and server. What cannot be read is among the
// errors, and hides nothing else; a folder that is not there has no apps.
func (d Dir) Apps() ([]App, []error) {
	servers, err := os.ReadDir(d.servers())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("listing the servers: %w", err)}
	}
	var apps []App
	var failed []error
	for _, server := range servers {
		if strings.HasPrefix(server.Name(), ".") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(d.servers(), server.Name()))
		if err != nil {
			if info, statErr := os.Stat(filepath.Join(d.servers(), server.Name())); statErr != nil || info.IsDir() {
				failed = append(failed, fmt.Errorf("listing the apps of %q: %w", server.Name(), err))
			}
			continue
		}
		for _, file := range files {
			domain, ok := strings.CutSuffix(file.Name(), envSuffix)
			if !ok || domain == "" || strings.HasPrefix(domain, ".") || file.IsDir() {
				continue
			}
			app, err := loadApp(server.Name(), domain, filepath.Join(d.servers(), server.Name(), file.Name()))
			if err != nil {
				failed = append(failed, err)
				continue
			}
			apps = append(apps, app)
		}
	}
	slices.SortFunc(apps, func(a, b App) int { return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Server, b.Server)) })
	return apps, failed
}

// Find is the app of a domain; server may be "" where one server alone has it.
// It refuses an app that names no recipe, and one whose stack would be another
// app's on the same server: names are cut, so two long domains can meet.
func (d Dir) Find(domain, server string) (App, error) {
	apps, failed := d.Apps()
	var found []App
	for _, a := range apps {
		if a.Domain == domain && (server == "" || a.Server == server) {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 0:
		return App{}, d.notFound(domain, server, apps, failed)
	case len(found) > 1:
		var servers []string
		for _, a := range found {
			servers = append(servers, a.Server)
		}
		err := fault.New(fault.Usage, "app %q is on several servers: %s", domain, strings.Join(servers, ", "))
		return App{}, fault.Hint(err, "say which one with --server")
	}
	app := found[0]
	if app.Recipe == "" {
		return App{}, fault.Hint(fmt.Errorf("reading %s: %w", app.Path, errNoRecipe), "write TYPE=<recipe> into it")
	}
	return app, checkStack(app, apps)
}

// checkStack refuses an app whose stack is another app's on the same server.
func checkStack(app App, apps []App) error {
	for _, other := range apps {
		if other.Server == app.Server && other.Stack == app.Stack && other.Domain != app.Domain {
			err := fault.New(fault.Unavailable, "apps %q and %q would both be the stack %q on server %q", app.Domain, other.Domain, app.Stack, app.Server)
			return fault.Hint(err, "give one of them another STACK_NAME= in its env file, or another domain")
		}
	}
	return nil
}

func (d Dir) notFound(domain, server string, apps []App, failed []error) error {
	for _, err := range failed { // the one asked for may be the one that cannot be read
		if strings.Contains(err.Error(), domain+envSuffix) {
			return err
		}
	}
	where := d.servers()
	if server != "" {
		where = filepath.Join(where, server)
	}
	err := fault.New(fault.Usage, "there is no app %q under %s", domain, where)
	if near := nearest(domain, apps); len(near) > 0 {
		return fault.Hint(err, "did you mean %s?", strings.Join(near, ", "))
	}
	return fault.Hint(err, "galley app ls lists the apps, galley app new makes one")
}

// nearest are at most three domains that look like the one asked for.
func nearest(domain string, apps []App) []string {
	var names []string
	for _, a := range apps {
		if !slices.Contains(names, a.Domain) { // one domain may be on several servers
			names = append(names, a.Domain)
		}
	}
	return fault.Near(domain, names)
}

// catalogueVariable says which catalogue an app's recipe comes from. Other clients
// pass it over: it is a variable that no compose file asks for.
const catalogueVariable = "GALLEY_CATALOGUE_NAME"

// NewOptions say what app to make.
type NewOptions struct {
	Domain string
	Server string // a docker context's name
	// Recipe and Version are what is written as TYPE; Version may be "".
	Recipe, Version string
	// Catalogue is written as GALLEY_CATALOGUE_NAME, unless it is "".
	Catalogue string
	// Sample is the recipe as its bundle has it. One without a .env.sample gives
	// an env file with nothing but the recipe and the domain.
	Sample *recipe.Recipe
}

var (
	serverForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]*$`)
	recipeForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	labelForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// checkDomain wants a domain name in lower case (RFC 1123): it becomes a file
// name, a stack's name and a router's rule.
func checkDomain(domain string) error {
	bad := func(why string) error {
		return fault.Hint(fault.New(fault.Usage, "domain %q: %s", domain, why), "write it like cloud.example.org, in lower case")
	}
	if domain == "" || len(domain) > 253 {
		return bad("expected 1 to 253 characters")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > 63 || !labelForm.MatchString(label) {
			return bad(fmt.Sprintf("%q is no part of a domain name", label))
		}
	}
	return nil
}

func (o NewOptions) check() error {
	if err := checkDomain(o.Domain); err != nil {
		return err
	}
	if len(o.Server) > 128 || !serverForm.MatchString(o.Server) {
		return fault.Hint(fault.New(fault.Usage, "server %q: expected the name of a docker context", o.Server), "docker context ls lists them; default is this machine")
	}
	if !recipeForm.MatchString(o.Recipe) || strings.ContainsAny(o.Version, " \t\r\n") {
		return fault.New(fault.Usage, "recipe %q, version %q: expected a recipe's name and version", o.Recipe, o.Version)
	}
	return nil
}

// New writes the env file of a new app from the recipe's sample, with its
// comments and their order, the recipe and the domain filled in. It refuses to
// overwrite one. Only its owner can read the file.
func (d Dir) New(o NewOptions) (App, error) {
	if err := o.check(); err != nil {
		return App{}, err
	}
	dir := filepath.Join(d.servers(), o.Server)
	path := filepath.Join(dir, o.Domain+envSuffix)
	env := recipe.ParseEnv(recipe.NewText(path, nil))
	if o.Sample != nil && o.Sample.Sample != nil {
		env = recipe.ParseEnv(recipe.NewText(path, o.Sample.Sample.Bytes()))
	}
	if err := env.SetRecipe(o.Recipe, o.Version); err != nil {
		return App{}, fmt.Errorf("making the env file: %w", err)
	}
	if err := env.Set("DOMAIN", o.Domain); err != nil {
		return App{}, fmt.Errorf("making the env file: %w", err)
	}
	if o.Catalogue != "" {
		if err := env.Set(catalogueVariable, o.Catalogue); err != nil {
			return App{}, fmt.Errorf("making the env file: %w", err)
		}
	}
	app := newApp(o.Server, o.Domain, env)
	apps, _ := d.Apps() // one that cannot be read does not keep a new one from being made
	if err := checkStack(app, apps); err != nil {
		return App{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return App{}, fmt.Errorf("making the env file: %w", err)
	}
	err := createFile(path, env.Bytes())
	if errors.Is(err, fs.ErrExist) {
		return App{}, fault.Hint(fault.New(fault.Usage, "app %q exists already: %s", o.Domain, path), "edit that file, or take another domain")
	}
	if err != nil {
		return App{}, fmt.Errorf("making the env file: %w", err)
	}
	return app, nil
}
