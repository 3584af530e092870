package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueSignCmd struct {
	catalogueConfig `embed:""`
	Build           string `arg:"" default:"build" help:"The built catalogue."`
	Public          string `default:"public" help:"Folder to publish to; what is there and still needed is kept." placeholder:"DIR"`
	Keys            string `help:"Folder of the keys (default: keys beside the configuration)." placeholder:"DIR"`
	Root            string `help:"Root metadata (default: root.json beside the configuration)." placeholder:"FILE"`
	passphraseFlags `embed:""`
}

func (catalogueSignCmd) Help() string {
	return `Examples:
  galley catalogue sign
  galley catalogue sign staging --public /srv/www/catalogue

Everything in the built catalogue is hashed and validated again before it is
signed, so building and signing may be two machines' work. Files come first and
the timestamp last: a reader sees the old catalogue or the new one.`
}

// Run signs and says what the metadata's versions are.
func (c *catalogueSignCmd) Run(ctx context.Context, s *streams, grammar *cli) error {
	config, err := catalogue.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	beside := filepath.Dir(c.Config)
	if c.Keys == "" {
		c.Keys = filepath.Join(beside, "keys")
	}
	if c.Root == "" {
		c.Root = filepath.Join(beside, "root.json")
	}
	signed, err := catalogue.Sign(ctx, catalogue.SignOptions{
		Build: c.Build, Public: c.Public, Keys: c.Keys, Root: c.Root, Expiry: config.Expiry, Keep: config.Keep, Passphrase: c.unlock(s, grammar.NoInput),
	})
	if err != nil {
		return err
	}
	if err := s.printSigned(signed); err != nil || s.json {
		return err
	}
	s.printf("%s: %s, with the copies %d written; root %s\n", c.Public, count(signed.Files, "file"), signed.Written, catalogue.ShortFingerprint(signed.Fingerprint))
	return nil
}

// printSigned prints warnings, and the roles' metadata.
func (s *streams) printSigned(signed *catalogue.Signed) error {
	for _, warning := range signed.Warnings {
		s.notef("galley: warning: %s\n", oneLine(warning))
	}
	if s.json {
		return s.printJSON(signed)
	}
	var rows [][]string
	for _, role := range signed.Roles {
		state := "unchanged"
		if role.Signed {
			state = "signed"
		}
		rows = append(rows, []string{role.Role, fmt.Sprint(role.Version), state, role.Expires.Format("2006-01-02")})
	}
	return s.table([]string{"ROLE", "VERSION", "STATE", "EXPIRES"}, rows)
}
