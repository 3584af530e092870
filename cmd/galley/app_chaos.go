package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/rules"
)

// chaosFlag makes a work tree take the catalogue's place.
type chaosFlag struct {
	Chaos folder `help:"Take the recipe from a folder (default: this one), committed or not. It is marked as unverified everywhere." placeholder:"DIR"`
}

// folder is a flag that may stand alone, for this folder. A folder behind it is told
// from the next argument by its slash.
type folder string

// IsBool lets kong take the flag without a value.
func (folder) IsBool() bool { return true }

// Decode is kong.MapperValue.
func (f *folder) Decode(ctx *kong.DecodeContext) error {
	*f = "."
	next := ctx.Scan.Peek()
	text, ok := next.Value.(string)
	if next.Type == kong.FlagValueToken || ok && next.Type == kong.UntypedToken && (text == "." || text == ".." || strings.Contains(text, "/")) {
		*f = folder(fmt.Sprint(ctx.Scan.Pop().Value))
	}
	if *f == "" {
		return fmt.Errorf("--chaos takes a folder, or nothing for this one")
	}
	return nil
}

// wantTree is the stack of a work tree. Findings at the level of an error refuse
// it, as a publisher's gate would.
func (a *appCmd) wantTree(ctx context.Context, s *streams, app deployer.App, dir string, allow allowFlags) (*wanted, error) {
	tree, err := deployer.ReadTree(ctx, home(dir), app.Recipe, rules.All())
	if err != nil {
		return nil, err
	}
	if tree.Lint.Failing(lint.Error) && !allow.unvetted() {
		for _, f := range tree.Lint.Findings {
			if f.Severity == lint.Error {
				s.notef("%s:%d:%d: %s: %s\n", f.File, f.Start.Line, f.Start.Column, f.Rule, oneLine(f.Message))
			}
		}
		err := fault.New(fault.Refused, "the work tree %q has %s", dir, count(tree.Lint.Summary.Errors, "error"))
		return nil, fault.Hint(err, "galley lint %s tells them; --allow-unverified deploys it all the same", dir)
	}
	desired, err := deployer.NewDesired(ctx, deployer.Input{App: app, Recipe: tree.Recipe, WorkTree: &tree.WorkTree, Resolve: resolveNow})
	if err != nil {
		return nil, err
	}
	return &wanted{app: app, recipe: tree.Recipe, desired: desired}, nil
}

// wantWhere is the stack of a version, or of the work tree in a folder.
func (a *appCmd) wantWhere(ctx context.Context, s *streams, app deployer.App, version string, dir folder, allow allowFlags) (*wanted, error) {
	if dir == "" {
		return a.wantAllowed(ctx, s, app, version, allow)
	}
	if version != "" {
		return nil, fault.New(fault.Usage, "--chaos deploys what is in a folder, and no version")
	}
	return a.wantTree(ctx, s, app, string(dir), allow)
}
