package main

import (
	"path/filepath"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueInitCmd struct {
	Dir             string   `arg:"" default:"." help:"Where to make them."`
	Name            string   `help:"The catalogue's name (default: the folder's)." placeholder:"NAME"`
	RootKey         []string `help:"Public half of a root key that was made on another machine; may be given again. No root key is made here then." placeholder:"FILE"`
	RootThreshold   int      `default:"1" help:"How many root keys must sign." placeholder:"N"`
	Passphrase      bool     `help:"Ask for a passphrase for the keys; without it they have none, unless a file or descriptor is given."`
	passphraseFlags `embed:""`
}

func (catalogueInitCmd) Help() string {
	return `Examples:
  galley catalogue init
  galley catalogue init catalogue --name our-coop
  galley catalogue init --root-key ada.pub --root-key grace.pub --root-key mo.pub --root-threshold 2

It writes galley-catalogue.yml, root.json, and a key for each role in keys/.
Nothing is overwritten. Keep keys/root.pem away from the machine that publishes.`
}

// Run makes the files and prints the root's fingerprint.
func (c *catalogueInitCmd) Run(s *streams, grammar *cli) error {
	options := catalogue.InitOptions{Name: c.Name, RootKeys: c.RootKey, Threshold: c.RootThreshold}
	if _, known := c.known(); known || c.Passphrase {
		var err error
		if options.Passphrase, err = c.choose(s, grammar.NoInput)("the keys"); err != nil {
			return err
		}
		defer clear(options.Passphrase)
	}
	made, err := catalogue.Init(c.Dir, options)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(made)
	}
	s.printf("config       %s\n", made.Config)
	s.printf("keys         %s\n", made.Keys)
	if made.Proposal != "" {
		s.printf("proposed     %s\n", made.Proposal)
		s.printf("next: galley catalogue keys sign, on the machine of each root key, with %s\n", made.Proposal)
		return nil
	}
	s.printf("root         %s\n", made.Root)
	s.printf("fingerprint  %s\n", made.Fingerprint)
	if options.Passphrase == nil {
		s.notef("galley: note: the keys have no passphrase; ssh-keygen -p -f %s gives one to the root's\n", filepath.Join(made.Keys, "root.pem"))
	}
	s.printf("next: name your sources in %s, then galley catalogue build\n", made.Config)
	return nil
}
