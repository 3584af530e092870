package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueRefreshCmd struct {
	catalogueConfig `embed:""`
	Public          string `default:"public" help:"The published folder." placeholder:"DIR"`
	Keys            string `help:"Folder of the timestamp's key (default: keys beside the configuration)." placeholder:"DIR"`
	Root            string `help:"Root metadata (default: root.json beside the configuration, or the published copy)." placeholder:"FILE"`
	passphraseFlags `embed:""`
}

func (catalogueRefreshCmd) Help() string {
	return `Examples:
  galley catalogue refresh
  galley catalogue refresh --public /srv/www/catalogue --keys /etc/galley/keys

Only the timestamp is signed, with its own key: run it from a timer, daily. Exit
code 4: a new timestamp does not help, because something else has expired or will
before it; then galley catalogue sign is needed.`
}

// Run signs the timestamp and warns of what expires soon.
func (c *catalogueRefreshCmd) Run(ctx context.Context, s *streams, grammar *cli) error {
	flags := keysFlags{catalogueConfig: c.catalogueConfig, Keys: c.Keys, Root: c.Root}
	keys, err := flags.options()
	if err != nil {
		return err
	}
	if _, err := os.Stat(keys.Root); c.Root == "" && errors.Is(err, fs.ErrNotExist) {
		keys.Root = "" // the published copy
	}
	signed, err := catalogue.Refresh(ctx, catalogue.RefreshOptions{
		Public: c.Public, Keys: keys.Keys, Root: keys.Root, Expiry: keys.Expiry, Passphrase: c.unlock(s, grammar.NoInput),
	})
	if err != nil {
		return err
	}
	return s.printSigned(signed)
}
