package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/catalogue/trust"
)

type catalogueKeysCmd struct {
	New        keysNewCmd       `cmd:"" help:"Make a key file."`
	List       keysListCmd      `cmd:"" help:"List roles, their keys, and when they expire."`
	Rotate     keysRotateCmd    `cmd:"" help:"Propose another key for a role."`
	Add        keysAddCmd       `cmd:"" help:"Propose one more key for a role."`
	Revoke     keysRevokeCmd    `cmd:"" help:"Propose to take a key away from every role."`
	Threshold  keysThresholdCmd `cmd:"" help:"Propose how many of a role's keys must sign."`
	Renew      keysRenewCmd     `cmd:"" help:"Propose the same root with a later end."`
	Sign       keysSignCmd      `cmd:"" help:"Sign the proposed root with the root keys that are here."`
	ExportRoot keysExportCmd    `cmd:"" help:"Print the newest root, for operators to pin."`
}

// keysFlags say where keys and roots are.
type keysFlags struct {
	catalogueConfig `embed:""`
	Keys            string `help:"Folder of the keys (default: keys beside the configuration)." placeholder:"DIR"`
	Root            string `help:"Root metadata (default: root.json beside the configuration)." placeholder:"FILE"`
}

// options completes the flags. A machine that has a root key and nothing else
// needs no configuration.
func (f *keysFlags) options() (catalogue.KeyOptions, error) {
	beside := filepath.Dir(f.Config)
	if f.Keys == "" {
		f.Keys = filepath.Join(beside, catalogue.KeysName)
	}
	if f.Root == "" {
		f.Root = filepath.Join(beside, catalogue.RootName)
	}
	options := catalogue.KeyOptions{Keys: f.Keys, Root: f.Root}
	config, err := catalogue.LoadConfig(f.Config)
	if errors.Is(err, fs.ErrNotExist) && f.Config == catalogue.ConfigName {
		return options, nil
	}
	options.Expiry = config.Expiry
	return options, err
}

// roleFlag is enough for kong to refuse what is no role.
type roleArg struct {
	Role string `arg:"" enum:"root,targets,snapshot,timestamp" help:"${enum}."`
}

type keysNewCmd struct {
	Role         string `default:"root" enum:"root,targets,snapshot,timestamp" help:"What it is for: ${enum}." placeholder:"ROLE"`
	Keys         string `default:"keys" help:"Folder of the keys." placeholder:"DIR"`
	Out          string `help:"The key's file (default: the role's first free name in the folder)." placeholder:"FILE"`
	NoPassphrase bool   `xor:"passphrase" help:"Make a key without a passphrase."`

	passphraseFlags `embed:""`
}

func (keysNewCmd) Help() string {
	return `Examples:
  galley catalogue keys new
  galley catalogue keys new --out /media/stick/root.pem
  galley catalogue keys new --role timestamp --passphrase-file /etc/galley/passphrase

The file is OpenSSH's (ed25519); "ssh-keygen -p -f FILE" changes its passphrase.
The public half stands beside it, with .pub at its end: that is what others need.`
}

// Run makes the key and prints what to call it.
func (c *keysNewCmd) Run(s *streams, grammar *cli) error {
	options := catalogue.NewKeyOptions{Dir: c.Keys, Role: trust.Role(c.Role), File: c.Out}
	if !c.NoPassphrase {
		var err error
		if options.Passphrase, err = c.choose(s, grammar.NoInput)("the new key of " + c.Role); err != nil {
			return err
		}
		defer clear(options.Passphrase)
	}
	made, err := catalogue.NewKey(options)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(made)
	}
	s.printKey(made)
	return nil
}

func (s *streams) printKey(made *catalogue.MadeKey) {
	s.printf("key     %s\n", made.ID)
	s.printf("file    %s\n", made.File)
	s.printf("public  %s\n", made.Public)
}

type keysListCmd struct {
	keysFlags `embed:""`
	Public    string `default:"public" help:"The published folder, of which expiry is shown, if it is there." placeholder:"DIR"`
}

func (keysListCmd) Help() string {
	return `Examples:
  galley catalogue keys list
  galley catalogue keys list -o json

Nothing is decrypted, and no passphrase is asked for.`
}

// Run lists roles and keys.
func (c *keysListCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	options.Public = c.Public
	list, err := catalogue.ListKeys(options)
	if err != nil {
		return err
	}
	for _, warning := range list.Warnings {
		s.notef("galley: warning: %s\n", oneLine(warning))
	}
	if s.json {
		return s.printJSON(list)
	}
	var rows [][]string
	for _, role := range list.Roles {
		rows = append(rows, roleRows(role)...)
	}
	for _, key := range list.Unused {
		rows = append(rows, append([]string{use(key, list.Proposal), "", "", ""}, keyCells(key)...))
	}
	if err := s.table([]string{"ROLE", "SIGN", "EXPIRES", "DAYS LEFT", "KEY", "FILE", "PASSPHRASE"}, rows); err != nil {
		return err
	}
	if p := list.Proposal; p != nil {
		s.printf("proposed: root %d, in %s\n", p.Version, p.File)
		s.printSignatures(p)
	}
	return nil
}

// use is what a key in the folder that no role names is there for.
func use(key catalogue.KeyInfo, p *catalogue.Proposed) string {
	if p != nil {
		for _, c := range p.Changes {
			if slices.Contains(c.Added, key.ID) {
				return "(" + string(c.Role) + ")"
			}
		}
	}
	return "none"
}

func roleRows(role catalogue.KeyRole) [][]string {
	var rows [][]string
	for i, key := range role.Keys {
		cells := []string{"", "", "", ""}
		if i == 0 {
			cells = []string{role.Role, fmt.Sprintf("%d of %d", role.Threshold, len(role.Keys)), "not published", ""}
			if role.Expires != nil {
				cells[2], cells[3] = role.Expires.Format("2006-01-02"), fmt.Sprint(role.DaysLeft)
			}
		}
		rows = append(rows, append(cells, keyCells(key)...))
	}
	return rows
}

func keyCells(key catalogue.KeyInfo) []string {
	switch {
	case key.File == "":
		return []string{shortKey(key.ID), "not here", ""}
	case key.Encrypted:
		return []string{shortKey(key.ID), key.File, "yes"}
	}
	return []string{shortKey(key.ID), key.File, "no"}
}

// shortKey is the beginning of a key's identifier, which the commands take.
func shortKey(id string) string { return id[:min(16, len(id))] }

type keysExportCmd struct {
	keysFlags `embed:""`
}

func (keysExportCmd) Help() string {
	return `Examples:
  galley catalogue keys export-root >root.json

Give the file to operators over a way of its own. They pin it with --root or
GALLEY_ROOT. Its fingerprint, for reading aloud, is on standard error.`
}

// Run prints the root byte for byte: its fingerprint is of the bytes.
func (c *keysExportCmd) Run(s *streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	root, err := catalogue.ExportRoot(options)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(root)
	}
	s.notef("root %d, valid until %s\n", root.Version, root.Expires.Format("2006-01-02"))
	s.notef("fingerprint  %s\n", root.Fingerprint)
	if root.First != "" && root.First != root.Fingerprint {
		s.notef("first root   %s (what clients show that were given no root)\n", root.First)
	}
	s.printf("%s", root.Data)
	return nil
}

// printProposed says what a proposal changes, as it is shown before it is signed.
func (s *streams) printProposed(p *catalogue.Proposed) {
	s.printf("root %d, proposed in %s\n", p.Version, p.File)
	for _, c := range p.Changes {
		switch {
		case c.Before == "":
			s.printf("  %s: %s keys sign\n", c.Role, c.After)
		case c.Before != c.After:
			s.printf("  %s: %s keys sign, before %s\n", c.Role, c.After, c.Before)
		}
		for _, id := range c.Added {
			s.printf("  %s: + key %s\n", c.Role, shortKey(id))
		}
		for _, id := range c.Removed {
			s.printf("  %s: - key %s\n", c.Role, shortKey(id))
		}
	}
	expires := p.Expires.Format("2006-01-02")
	if p.ExpiresBefore != nil {
		expires += ", before " + p.ExpiresBefore.Format("2006-01-02")
	}
	s.printf("  expires %s\n", expires)
	for _, caution := range p.Cautions {
		s.notef("galley: warning: %s\n", oneLine(caution))
	}
	if p.Dropped > 0 {
		s.notef("galley: note: %d signatures were for what was proposed before; they are gone\n", p.Dropped)
	}
}

func (s *streams) printSignatures(p *catalogue.Proposed) {
	for _, by := range p.Signatures {
		state := "enough"
		if !by.Enough() {
			state = fmt.Sprintf("%d more, of %s", by.Needed-len(by.Signed), shortKeys(by.Missing))
		}
		s.printf("signatures by keys of root %d: %d of %d needed; %s\n", by.Root, len(by.Signed), by.Needed, state)
	}
}

func shortKeys(ids []string) string {
	var short []string
	for _, id := range ids {
		short = append(short, shortKey(id))
	}
	return strings.Join(short, ", ")
}
