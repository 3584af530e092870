package main

import (
	"context"
	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/catalogue/trust"
)

// showProposed prints a proposal that was made or changed, and the next step.
func (s *streams) showProposed(p *catalogue.Proposed, err error) error {
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(p)
	}
	if p.Key != nil {
		s.printKey(p.Key)
	}
	s.printProposed(p)
	s.printf("next: galley catalogue keys sign, where the root keys are\n")
	return nil
}

type keysRotateCmd struct {
	roleArg      `embed:""`
	keysFlags    `embed:""`
	Replace      string `help:"The key that goes, or the first digits of it; a role of one key needs none." placeholder:"KEY"`
	WithKey      string `name:"public" help:"Public half of a key that was made elsewhere (default: a key is made here)." placeholder:"FILE"`
	NoPassphrase bool   `xor:"passphrase" help:"Make a key without a passphrase."`

	passphraseFlags `embed:""`
}

func (keysRotateCmd) Help() string {
	return `Examples:
  galley catalogue keys rotate timestamp
  galley catalogue keys rotate root --replace 1f2e3d4c5b6a7988 --public ada.pub

Nothing changes until the root keys have signed the proposal.`
}

// Run proposes another key for a role.
func (c *keysRotateCmd) Run(s *streams, grammar *cli) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	rotation := catalogue.Rotation{Role: trust.Role(c.Role), Replace: c.Replace, Public: c.WithKey}
	if !c.NoPassphrase {
		rotation.NewPassphrase = c.choose(s, grammar.NoInput)
	}
	return s.showProposed(catalogue.RotateKey(options, rotation))
}

type keysAddCmd struct {
	Public    string `arg:"" help:"Public half of the key: the file with .pub at its end."`
	Role      string `default:"root" enum:"root,targets,snapshot,timestamp" help:"Whose key it becomes: ${enum}." placeholder:"ROLE"`
	keysFlags `embed:""`
}

func (keysAddCmd) Help() string {
	return `Examples:
  galley catalogue keys add grace.pub
  galley catalogue keys add second.pub --role snapshot`
}

// Run proposes one more key for a role.
func (c *keysAddCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return s.showProposed(catalogue.AddKey(options, trust.Role(c.Role), c.Public))
}

type keysRevokeCmd struct {
	Key       string `arg:"" help:"The key, or the first digits of it, as keys list shows it."`
	keysFlags `embed:""`
}

func (keysRevokeCmd) Help() string {
	return `Examples:
  galley catalogue keys revoke 1f2e3d4c5b6a7988

A role that needs the key to reach its threshold keeps it: rotate it instead.`
}

// Run proposes to take a key away.
func (c *keysRevokeCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return s.showProposed(catalogue.RevokeKey(options, c.Key))
}

type keysThresholdCmd struct {
	N         int    `arg:"" help:"How many keys must sign."`
	Role      string `default:"root" enum:"root,targets,snapshot,timestamp" help:"Of which role: ${enum}." placeholder:"ROLE"`
	keysFlags `embed:""`
}

func (keysThresholdCmd) Help() string {
	return `Examples:
  galley catalogue keys threshold 2`
}

// Run proposes a threshold.
func (c *keysThresholdCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return s.showProposed(catalogue.SetThreshold(options, trust.Role(c.Role), c.N))
}

type keysRenewCmd struct {
	keysFlags `embed:""`
}

func (keysRenewCmd) Help() string {
	return `Examples:
  galley catalogue keys renew

It is for a root that expires soon, and for one that has: clients that trust it go
on from it.`
}

// Run proposes the same root with a later end.
func (c *keysRenewCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return s.showProposed(catalogue.RenewRoot(options))
}

type keysSignCmd struct {
	Proposal        string `arg:"" optional:"" help:"The proposed root (default: root.proposed.json beside the root)."`
	keysFlags       `embed:""`
	Yes             bool `short:"y" help:"Sign without asking."`
	passphraseFlags `embed:""`
}

func (keysSignCmd) Help() string {
	return `Examples:
  galley catalogue keys sign
  galley catalogue keys sign /media/stick/root.proposed.json --keys /media/stick
  galley catalogue keys sign /media/stick/root.json

What the proposal changes is shown first. Every root key in the folder that has
not signed signs. Once enough keys of the old root and of the new one have, the
proposal becomes root.json, and the old one stays beside it as N.root.json. Carry
the proposal from one machine to the next, and at last the new root.json to all of
them: the same command puts it into place there, without a key.`
}

// Run shows the proposal, asks, and signs it.
func (c *keysSignCmd) Run(ctx context.Context, s *streams, grammar *cli) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	options.Proposal, options.Passphrase = c.Proposal, c.unlock(s, grammar.NoInput)
	shown, err := catalogue.ShowProposal(options)
	if err != nil {
		return err
	}
	if !shown.Installed && !s.json {
		s.printProposed(shown)
	}
	if !shown.Installed && !c.Yes {
		if err := s.confirm(ctx, "sign this root?", "--yes", grammar.NoInput || s.json); err != nil {
			return err
		}
	}
	signed := shown
	if !shown.Installed {
		if signed, err = catalogue.SignProposal(options); err != nil {
			return err
		}
	}
	if s.json {
		return s.printJSON(signed)
	}
	s.printSignatures(signed)
	if !signed.Installed {
		s.printf("next: galley catalogue keys sign, on the machine of another root key, with %s\n", signed.File)
		return nil
	}
	s.printf("root         %s\n", options.Root)
	s.printf("fingerprint  %s\n", signed.Fingerprint)
	s.printf("next: galley catalogue keys sign %s, on the other machines; galley catalogue sign publishes it\n", catalogue.RootName)
	return nil
}
