package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appAdoptCmd struct {
	Stack      []string `arg:"" optional:"" help:"Names of stacks, or domains (default: every stack that another client deployed)."`
	serverFlag `embed:""`
	DryRun     bool `help:"Say what would be adopted, and write nothing."`
}

func (appAdoptCmd) Help() string {
	return `Examples:
  galley app --dir ~/.abra adopt --dry-run
  galley app --dir ~/.abra adopt stats.example.org
  galley app adopt --server prod1

Finds stacks by the labels that clients of recipes write, and by env files. Of each
it writes one record into the stack's history on the swarm: which version stands,
and the catalogue's entry of it where the two agree. Nothing is deployed, no service
is touched, no file is written. The first galley app plan then tells what the other
client left apart from what the recipe changes.

Exit codes: 0 all are adopted, or were already. 1 one could not be. 3 no server
answered.`
}

// Run adopts stacks, one after the other.
func (c *appAdoptCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	found := apps.apps(s, c.Server)
	names := serversOf(found, c.Server)
	if len(names) == 0 {
		err := fault.New(fault.Usage, "there is no env file under %s/servers", apps.dir().Root)
		return fault.Hint(err, "--dir ~/.abra reads those of another client, --server SERVER names a server")
	}
	servers, err := ask(ctx, s, apps, names)
	if err != nil {
		return err
	}
	defer deployer.CloseServers(servers)
	if err := noneUp(servers); err != nil {
		return err
	}
	chosen, err := c.choose(found, servers)
	if err != nil {
		return err
	}
	books := apps.shelf(s)
	defer books.close()
	adoptions := []deployer.Adoption{}
	for _, one := range chosen {
		a, err := books.adopt(ctx, one, c.DryRun)
		if err != nil {
			return err
		}
		adoptions = append(adoptions, a)
	}
	return c.answer(s, apps, adoptions)
}

// candidate is a stack with its server, and its app when there is an env file.
type candidate struct {
	server *deployer.ServerState
	status *deployer.Status
	app    *deployer.App
}

// choose finds the stacks that are named, or all that come from clients of recipes.
func (c *appAdoptCmd) choose(apps []deployer.App, servers []*deployer.ServerState) ([]candidate, error) {
	var all []candidate
	for _, server := range servers {
		for _, name := range sortedNames(server.Stacks) {
			one := candidate{server: server, status: server.Stacks[name]}
			if i := slices.IndexFunc(apps, func(a deployer.App) bool { return a.Server == server.Name && a.Stack == name }); i >= 0 {
				one.app = &apps[i]
			}
			if one.app != nil || one.status.Recipe != "" || slices.Contains(c.Stack, name) {
				all = append(all, one)
			}
		}
	}
	if len(c.Stack) == 0 {
		return all, nil
	}
	var chosen []candidate
	for _, name := range c.Stack {
		named := slices.DeleteFunc(slices.Clone(all), func(one candidate) bool {
			return one.status.Stack != name && (one.app == nil || one.app.Domain != name)
		})
		switch len(named) {
		case 0:
			err := fault.New(fault.Unavailable, "there is no stack %q on %s", name, strings.Join(upServers(servers), ", "))
			return nil, fault.Hint(err, "galley app adopt --dry-run lists the stacks that there are")
		case 1:
			chosen = append(chosen, named[0])
		default:
			return nil, fault.Hint(fault.New(fault.Usage, "stack %q is on several servers", name), "say which one with --server")
		}
	}
	return chosen, nil
}

func upServers(servers []*deployer.ServerState) []string {
	var names []string
	for _, server := range servers {
		if server.Up {
			names = append(names, "server "+server.Name)
		}
	}
	return names
}

func (h *shelf) adopt(ctx context.Context, one candidate, dryRun bool) (deployer.Adoption, error) {
	a := deployer.NewAdoption(one.status, one.server.Name, one.app)
	if a.Answer != deployer.Adoptable {
		return a, nil
	}
	app := *one.app
	app.Recipe = cmp.Or(a.Recipe, app.Recipe)
	var vouches *deployer.Published
	published, why := h.published(ctx, app, one.server.Engine, one.status, a.Version)
	reason := ""
	if why == nil {
		vouches = &published
	} else {
		reason = why.Error()
	}
	if err := ctx.Err(); err != nil {
		return a, err
	}
	if err := one.server.Engine.Vouch(ctx, &a, vouches, reason); err != nil || dryRun {
		return a, err
	}
	var mark deployer.CatalogueMark
	if a.Entry != "" {
		client, err := h.client(ctx, app)
		if err != nil {
			return a, err
		}
		mark = (&wanted{client: client, fingerprint: one.status.Catalogue}).mark()
	}
	return a, one.server.Engine.Adopt(ctx, one.status, &a, mark)
}

func (c *appAdoptCmd) answer(s *streams, apps *appCmd, adoptions []deployer.Adoption) error {
	if s.json {
		if err := s.printJSON(map[string]any{"stacks": adoptions}); err != nil {
			return err
		}
	} else {
		c.print(s, apps, adoptions)
	}
	if slices.ContainsFunc(adoptions, func(a deployer.Adoption) bool { return a.Answer == deployer.NotAdopted }) {
		return answered{fault.No}
	}
	return nil
}

func (c *appAdoptCmd) print(s *streams, apps *appCmd, adoptions []deployer.Adoption) {
	if len(adoptions) == 0 {
		s.notef("galley: note: no stack there has the labels of a client of recipes, or an env file here\n")
	}
	for _, a := range adoptions {
		what := strings.TrimSpace(a.Recipe + " " + a.Version)
		switch a.Answer {
		case deployer.Already, deployer.NotAdopted:
			s.printf("%s on %s: %s: %s\n", oneLine(a.Stack), a.Server, a.Answer, oneLine(a.Reason))
		case deployer.Adoptable:
			s.printf("%s on %s: would be adopted as %s, %s\n", oneLine(a.Stack), a.Server, oneLine(what), vouched(a))
		default:
			s.printf("%s on %s: adopted as %s, %s\n", oneLine(a.Stack), a.Server, oneLine(what), vouched(a))
			s.printf("next: galley app plan %s\n", a.Domain)
		}
		for _, why := range a.Unverified {
			s.printf("  unverified: %s\n", oneLine(why))
		}
		if a.Answer == deployer.NotAdopted && a.Path == "" {
			s.notef("galley: note: copy its env file from who has it to %s/servers/%s/<domain>.env, or make one with galley app new %s --domain <domain> --server %s\n",
				apps.dir().Root, a.Server, oneLine(cmp.Or(a.Recipe, "RECIPE")+versionSuffix(a.Version)), a.Server)
		}
	}
}

func versionSuffix(version string) string {
	if version == "" {
		return ""
	}
	return ":" + version
}

func vouched(a deployer.Adoption) string {
	if a.Entry != "" {
		return "as published"
	}
	return "not vouched for"
}
