package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appCpCmd struct {
	oneApp  `embed:""`
	Source  string `arg:"" help:"What to copy: SERVICE:/path or a path here."`
	Target  string `arg:"" help:"Where to: a path here or SERVICE:/path."`
	Slot    int    `help:"The task's slot (default: any, a healthy one and the connected node first)." placeholder:"N"`
	Archive bool   `short:"a" help:"Keep the owners' numbers."`
	Chown   string `help:"Whose the files are inside (default: 0:0)." placeholder:"UID[:GID]"`
}

func (appCpCmd) Help() string {
	return `Examples:
  galley app cp cloud.example.org app:/var/www/html/config/config.php .
  galley app cp cloud.example.org ./theme app:/var/www/html/themes --chown 33:33
  galley app cp cloud.example.org db:/var/lib/data/. ./data

Files and folders, as cp -r copies them; "/." at the end of a folder means what is
in it. An archive that would write outside of the target, with a link for example,
is refused and nothing is copied. Secrets, configs and tmpfs cannot be copied:
engines show them empty. Extended attributes are lost.`
}

// Run copies one way or the other.
func (c *appCpCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	service, inside, out := cutService(c.Source)
	to, target, in := cutService(c.Target)
	if out == in {
		err := fault.New(fault.Usage, "%q to %q: expected SERVICE:/path on one side, and a path here on the other", c.Source, c.Target)
		return fault.Hint(err, "a path here that has a colon is written with ./ before it")
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	if in {
		service = to
	}
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	container, err := engine.Inside(ctx, app.Stack, service, c.Slot)
	if err != nil {
		return err
	}
	var copied deployer.Copied
	if out {
		copied, err = container.CopyOut(ctx, inside, c.Target, options)
	} else {
		copied, err = container.CopyIn(ctx, c.Source, target, options)
	}
	if err != nil {
		return err
	}
	for _, name := range copied.Skipped {
		s.notef("galley: warning: not copied: %s\n", oneLine(name))
	}
	if s.json {
		return s.printJSON(copied)
	}
	s.printf("%s, %s copied\n", count(copied.Files, "file"), count(int(copied.Bytes), "byte"))
	return nil
}

// cutService reads SERVICE:/path. A path here begins with ".", "/" or "~", or has no
// colon before its first slash.
func cutService(text string) (service, path string, ok bool) {
	service, path, ok = strings.Cut(text, ":")
	if !ok || service == "" || strings.ContainsAny(service, "/\\") || service == "." || service == ".." {
		return "", "", false
	}
	return service, path, true
}

func (c *appCpCmd) options() (deployer.CopyOptions, error) {
	o := deployer.CopyOptions{Archive: c.Archive}
	if c.Chown == "" {
		return o, nil
	}
	user, group, both := strings.Cut(c.Chown, ":")
	var err, errGroup error
	o.User, err = strconv.Atoi(user)
	o.Group = o.User
	if both {
		o.Group, errGroup = strconv.Atoi(group)
	}
	if err != nil || errGroup != nil || o.User < 0 || o.Group < 0 || c.Archive {
		return o, fault.New(fault.Usage, "--chown %q; expected numbers like 33:33, and no --archive", c.Chown)
	}
	return o, nil
}
