package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

// catalogueFlags name the catalogues that a command reads, and say how.
type catalogueFlags struct {
	Catalogue []string `env:"GALLEY_CATALOGUE" sep:"none" help:"The catalogue to read; given again, or several separated by spaces in the variable, a recipe comes from the first that has it. #sha256:FINGERPRINT behind an address pins its root." placeholder:"URL|DIR"`
	From      string   `help:"Take the recipe from the catalogue of this name or address." placeholder:"NAME"`
	Root      string   `env:"GALLEY_ROOT" help:"Pinned root.json of the catalogue; without it the first root seen is trusted." placeholder:"FILE"`
	Offline   yesNo    `env:"GALLEY_OFFLINE" help:"Go on with what was read before, without asking the catalogue."`
}

// yesNo is a switch whose environment variable may be there and empty.
type yesNo bool

// IsBool lets --offline stand without a value.
func (*yesNo) IsBool() bool { return true }

// Decode is kong.MapperValue.
func (y *yesNo) Decode(ctx *kong.DecodeContext) error {
	*y = true
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	value, ok := ctx.Scan.Pop().Value.(string)
	switch strings.ToLower(value) {
	case "", "0", "no", "false":
		*y = false
	case "1", "yes", "true":
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("expected yes or no, not %q", value)
	}
	return nil
}

// locations are the catalogues that are named. A variable holds several, so a
// value is taken apart at its spaces, unless it is a folder with spaces.
func (f catalogueFlags) locations() []string {
	var all []string
	for _, value := range f.Catalogue {
		if info, err := os.Stat(value); err == nil && info.IsDir() {
			all = append(all, value)
			continue
		}
		all = append(all, strings.Fields(value)...)
	}
	return all
}

// clients names them all; each is opened when it is needed.
func (f catalogueFlags) clients(s *streams, state string) (*catalogue.Clients, error) {
	locations := f.locations()
	if len(locations) == 0 { // an environment variable may be there and empty
		err := fault.New(fault.Usage, "no catalogue is named")
		return nil, fault.Hint(err, "give --catalogue URL, or set GALLEY_CATALOGUE")
	}
	options, err := clientOptions(f.Root, state)
	if err != nil {
		return nil, err
	}
	options.Offline = bool(f.Offline)
	return catalogue.NewClients(locations, options, func(c *catalogue.Client) { s.noteTrust(c.Info()) })
}

func clientOptions(rootFile, state string) (catalogue.ClientOptions, error) {
	options := catalogue.ClientOptions{StateDir: state, CacheDir: cacheDir("catalogue")}
	if rootFile == "" {
		return options, nil
	}
	root, err := readLimited(rootFile, 1<<20)
	if err != nil {
		err = fmt.Errorf("reading the pinned root: %w", err)
		return options, fault.Hint(err, "--root and GALLEY_ROOT take the root.json that the publisher hands out")
	}
	if err := catalogue.CheckRoot(root); err != nil {
		return options, fmt.Errorf("the pinned root %q %w", rootFile, err)
	}
	options.Root = root
	return options, nil
}

// openCatalogue opens the one catalogue of a command that reads no other.
func openCatalogue(ctx context.Context, s *streams, location, rootFile, state string) (*catalogue.Client, error) {
	options, err := clientOptions(rootFile, state)
	if err != nil {
		return nil, err
	}
	client, err := catalogue.Open(ctx, location, options)
	if err == nil {
		s.noteTrust(client.Info())
	}
	return client, err
}

// noteTrust tells what the user has to know of a catalogue that was opened: that
// its root is new and how to compare it, and that what it says is not of today.
func (s *streams) noteTrust(info catalogue.Info) {
	if info.FirstUse {
		s.notef("galley: note: catalogue %s is trusted from now on; its root is %s\n", info.Location, info.Fingerprint)
		s.notef("galley: note: compare that with what the publisher says elsewhere (sha256sum of the first root.json, or galley catalogue keys export-root); --catalogue '%s#sha256:%s' pins it\n",
			info.Location, info.Fingerprint)
	}
	if !info.Offline {
		return
	}
	read, until := info.Read.Local().Format("2006-01-02 15:04"), info.ValidUntil().Local().Format("2006-01-02")
	if info.Reason == "" {
		s.notef("galley: note: catalogue %s is not asked; going on with what was read %s, valid until %s\n", info.Location, read, until)
		return
	}
	s.notef("galley: warning: catalogue %s cannot be reached; going on with what was read %s, valid until %s (%s)\n",
		info.Location, read, until, oneLine(info.Reason))
}

// nameAtVersion reads RECIPE or RECIPE@VERSION.
func nameAtVersion(text string) (name, version string, one bool, err error) {
	name, version, one = strings.Cut(text, "@")
	if name == "" || one && version == "" {
		err := fault.New(fault.Usage, "%q names no recipe or no version of one", text)
		return "", "", false, fault.Hint(err, "write RECIPE or RECIPE@VERSION, like matomo@1.2.0+5.1.0")
	}
	return name, version, one, nil
}
