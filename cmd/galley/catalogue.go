package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/rules"
)

type catalogueCmd struct {
	Init    catalogueInitCmd    `cmd:"" help:"Make keys and a galley-catalogue.yml."`
	Build   catalogueBuildCmd   `cmd:"" help:"Build the unsigned catalogue from every version of every source."`
	Sign    catalogueSignCmd    `cmd:"" help:"Check a built catalogue, sign it, and publish it to a folder."`
	Refresh catalogueRefreshCmd `cmd:"" help:"Sign a new timestamp for a published catalogue."`
	Publish cataloguePublishCmd `cmd:"" help:"Copy a signed catalogue to a folder or a registry, for readers."`
	Verify  catalogueVerifyCmd  `cmd:"" help:"Check every file of a published catalogue."`
	Audit   catalogueAuditCmd   `cmd:"" help:"Compare published digests with what registries say now."`
	Diff    catalogueDiffCmd    `cmd:"" help:"Compare two catalogues, or a published one with a build."`
	Show    catalogueShowCmd    `cmd:"" help:"Show a recipe or a version of it."`
	Yank    catalogueYankCmd    `cmd:"" help:"Withdraw a version: the next build marks it, and operators are told."`
	Keys    catalogueKeysCmd    `cmd:"" help:"Make keys, and change who may sign."`
	Search  catalogueSearchCmd  `cmd:"" aliases:"ls" help:"Find recipes by words; without any, list them all."`
	Serve   catalogueServeCmd   `cmd:"" help:"Serve a published catalogue over HTTP, for trying it."`
}

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

// catalogueConfig is the flag that build and sign share.
type catalogueConfig struct {
	Config string `short:"c" default:"galley-catalogue.yml" help:"The catalogue's configuration." placeholder:"FILE"`
}

type catalogueBuildCmd struct {
	catalogueConfig `embed:""`
	Build           string  `default:"build" help:"Folder to build into; replaced as a whole." placeholder:"DIR"`
	Report          string  `help:"Write the run's report to a file, as JSON." placeholder:"FILE"`
	Previous        *string `help:"Published catalogue to go on from when the build folder is empty (default: public, if it is there; '' for none)." placeholder:"DIR|URL"`
	MaxRequests     int     `help:"Send no more than this to registries; the next build goes on (default: max_requests of the configuration, else no bound)." placeholder:"N"`
	Relint          bool    `help:"Judge published versions again with today's rules."`
	DryRun          bool    `help:"Only say what is new and which requests it would take; nothing is written, no registry is asked."`
	NoCache         bool    `help:"Ask registries for everything, also for what does not change."`
}

// learnedFor is how long a build that was killed, or that met a limit, may have
// its answers used by the next one. One that ends well forgets them.
const learnedFor = 24 * time.Hour

func (catalogueBuildCmd) Help() string {
	return `Examples:
  galley catalogue build
  galley catalogue build --build staging --report report.json
  galley catalogue build --dry-run

A version is an annotated tag. Each is read at its tag, linted, its images
resolved and its files bundled; a version that fails is left out, with the
reason, and never stops the others. What the folder holds is not built again: a
version is known by its tag object. A tag that moved or was removed changes
nothing of what is published. Exit code 1: a source could not be read, the tag of
a published version moved, or versions wait for a registry that is down, limits
requests or may not be asked more; the next build goes on with them.`
}

// Run builds and lists what was refused.
func (c *catalogueBuildCmd) Run(ctx context.Context, s *streams) error {
	config, err := catalogue.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	options := registry.Options{Rewrites: config.Registries, Insecure: config.Insecure, UserAgent: "galley/" + buildVersion(), MaxRequests: int64(cmp.Or(c.MaxRequests, config.MaxRequests))}
	if !c.NoCache {
		options.CacheDir, options.Learned = cacheDir("registry"), learnedFor
	}
	resolver := registry.New(options)
	defer resolver.Close()
	build, err := c.options()
	if err != nil {
		return err
	}
	build.Resolver, build.Progress = resolver, s.showBuild
	if c.DryRun {
		return c.dryRun(ctx, s, config, build)
	}
	if s.progress {
		build.Estimated = s.showEstimate
	}
	report, err := catalogue.Build(ctx, config, build)
	s.status("")
	if err != nil {
		return err
	}
	if c.Report != "" {
		if err := report.Write(c.Report); err != nil {
			return err
		}
	}
	if s.json {
		err = s.printJSON(report)
	} else {
		err = s.printReport(report)
	}
	if err == nil && len(report.Failed())+len(report.Down())+report.Moved+report.Postponed > 0 {
		return answered{fault.No}
	}
	return err
}

// options are what does not come from the configuration.
func (c *catalogueBuildCmd) options() (catalogue.BuildOptions, error) {
	beside := filepath.Dir(c.Config)
	yanked, err := catalogue.LoadYanks(filepath.Join(beside, catalogue.YankedName))
	if err != nil {
		return catalogue.BuildOptions{}, err
	}
	options := catalogue.BuildOptions{
		Output: c.Build, Rules: rules.All(), CacheDir: cacheDir("git"), Yanked: yanked, Relint: c.Relint,
	}
	switch {
	case c.Previous != nil:
		options.Previous = *c.Previous
	case isFile(filepath.Join("public", "metadata", "timestamp.json")):
		options.Previous = "public"
	}
	if root, err := readLimited(filepath.Join(beside, catalogue.RootName), 1<<20); err == nil {
		options.PreviousRoot = root
	}
	return options, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (s *streams) printReport(r *catalogue.Report) error {
	var rows [][]string
	for _, source := range r.Sources {
		newest := "none"
		if n := len(source.Published); n > 0 {
			newest = source.Published[n-1]
		}
		rows = append(rows, []string{source.Name, fmt.Sprint(len(source.Published)), fmt.Sprint(len(source.Refused)), newest})
	}
	if err := s.table([]string{"RECIPE", "PUBLISHED", "REFUSED", "NEWEST"}, rows); err != nil {
		return err
	}
	s.printLists(r.Lists)
	for _, source := range r.Failed() {
		s.printf("failed: %s: %s\n", source.Name, oneLine(source.Error))
	}
	refused := refusals{}
	for _, source := range r.Sources {
		if source.Error == "" && len(source.Published)+len(source.Refused) == 0 {
			s.notef("galley: note: %s has no tags, so no versions\n", source.Name)
		}
		s.printMoved(source.Name, source.Moved)
		for _, w := range source.Withdrawn {
			s.printf("withdrawn: %s %s: %s\n", source.Name, w.Version, oneLine(w.Withdrawal.String()))
		}
		refused.print(s, source.Refused)
	}
	refused.printRest(s)
	if r.Postponed > 0 {
		s.notef("galley: note: %s for a registry; what was learned is kept, and the next build goes on from there\n", waiting(r.Postponed))
	}
	s.printf("%d versions of %d recipes in %s, %d new; %d image references, %d requests, %.1f s\n",
		r.Versions, r.Recipes, r.Output, r.New, r.Requests.References, r.Requests.Heads+r.Requests.Gets, r.Seconds)
	return nil
}

func waiting(versions int) string {
	if versions == 1 {
		return "1 version waits"
	}
	return fmt.Sprintf("%d versions wait", versions)
}

func (s *streams) printLists(lists []catalogue.ListReport) {
	for _, l := range lists {
		if l.Skipped == "" {
			s.printf("failed: list %s: %s\n", l.Location, oneLine(l.Reason))
			continue
		}
		s.notef("galley: note: %s of %s is left out: %s\n", l.Skipped, l.Location, oneLine(l.Reason))
	}
}

func (s *streams) printMoved(recipe string, list []catalogue.Moved) {
	for _, moved := range list {
		s.printf("moved: %s %s: published from commit %s, the tag names %s now; the published one stays\n",
			recipe, moved.Version, short(moved.Published), short(moved.Now))
	}
}

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
	s.printf("%s: %d files, %d written; root %s\n", c.Public, signed.Files, signed.Written, catalogue.ShortFingerprint(signed.Fingerprint))
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

type catalogueVerifyCmd struct {
	Location string   `arg:"" name:"dir|url" help:"The published catalogue."`
	Root     string   `env:"GALLEY_ROOT" help:"Pinned root.json; without it the catalogue's own first root is taken." placeholder:"FILE"`
	Rebuild  []string `help:"Also make a recipe, or a version of it, again from the sources in the configuration, and compare; may be given again; all for everything." placeholder:"RECIPE[@VERSION]"`
	Config   string   `short:"c" default:"galley-catalogue.yml" help:"The catalogue's configuration, for --rebuild." placeholder:"FILE"`
}

func (catalogueVerifyCmd) Help() string {
	return `Examples:
  galley catalogue verify public
  galley catalogue verify https://catalogue.example.org --root root.json
  galley catalogue verify public --rebuild matomo --rebuild mailman@1.2.0+3.3.9

Of a folder every file is accounted for; of a web address everything that the
catalogue names. With --rebuild entries and bundles are made again from git, and
compared; digests are the registries', and taken as published. Exit code 4:
something is not what was signed, or not what the sources give; 3: a version
could not be made again.`
}

// Run verifies everything and names what is wrong.
func (c *catalogueVerifyCmd) Run(ctx context.Context, s *streams) error {
	if c.Location == "" { // a variable in a script may be empty
		return fault.Hint(fault.New(fault.Usage, "no catalogue is named"), "give the folder or the address of a published catalogue")
	}
	client, err := clientOptions(c.Root, "")
	if err != nil {
		return err
	}
	v, err := catalogue.Verify(ctx, c.Location, catalogue.VerifyOptions{Root: client.Root})
	if err != nil {
		return err
	}
	if len(c.Rebuild) > 0 && len(v.Problems) == 0 {
		return c.rebuild(ctx, s, v, options.Root)
	}
	if s.json {
		if err := s.printJSON(v); err != nil {
			return err
		}
		if len(v.Problems) > 0 {
			return answered{fault.Refused}
		}
		return nil
	}
	for _, name := range v.Stale {
		s.notef("galley: note: %s is not that of the current catalogue: a sign or publish was cut short, the next one puts it right\n", oneLine(name))
	}
	for _, name := range v.Leftovers {
		s.notef("galley: note: %s was left by a sign that was cut short; the next one removes it\n", oneLine(name))
	}
	for _, p := range v.Problems {
		s.printf("%s %s\n", oneLine(p.File), oneLine(p.Reason))
	}
	if len(v.Problems) > 0 {
		return fault.New(fault.Refused, "%s is not what was signed: %d problems, %d files checked", c.Location, len(v.Problems), v.Checked)
	}
	s.printVerified(c.Location, v)
	return nil
}

type catalogueShowCmd struct {
	Recipe         string `arg:"" help:"A recipe, or a version of it: matomo@1.2.0+5.1.0."`
	catalogueFlags `embed:""`
}

func (catalogueShowCmd) Help() string {
	return `Examples:
  galley catalogue show matomo --catalogue https://catalogue.example.org
  galley catalogue show matomo@1.2.0+5.1.0`
}

// Run prints a recipe's versions, or one version's images.
func (c *catalogueShowCmd) Run(ctx context.Context, s *streams) error {
	name, version, one, err := nameAtVersion(c.Recipe)
	if err != nil {
		return err
	}
	clients, err := c.clients(s, trustDir())
	if err != nil {
		return err
	}
	defer clients.Close()
	client, err := clients.For(ctx, c.From, name)
	if err != nil {
		return err
	}
	if one {
		return c.showEntry(ctx, s, client, name, version)
	}
	recipe, err := client.Recipe(ctx, name)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(recipe)
	}
	s.printf("%s: %s\n", recipe.Name, recipe.Description)
	entries, err := client.Entries(ctx, recipe)
	if err != nil {
		return err
	}
	var rows [][]string
	for i, e := range entries {
		state := verdictText(e.Lint)
		if w := recipe.Versions[i].Withdrawn; w != nil {
			state = oneLine(w.String())
		}
		rows = append(rows, []string{e.Version, e.Date.Format("2006-01-02"), short(e.Commit), fmt.Sprint(len(e.Images)), state})
	}
	return s.table([]string{"VERSION", "DATE", "COMMIT", "IMAGES", "LINT"}, rows)
}

func (c *catalogueShowCmd) showEntry(ctx context.Context, s *streams, client *catalogue.Client, name, version string) error {
	recipe, entry, err := client.Entry(ctx, name, version)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(entry)
	}
	s.printf("%s %s\n", name, entry.Version)
	if w := recipe.Release(entry.Version).Withdrawn; w != nil {
		s.printf("state   %s\n", oneLine(w.String()))
	}
	if entry.Signer != nil {
		s.printf("signed  %s (%s %s)\n", oneLine(entry.Signer.Name), entry.Signer.Kind, entry.Signer.Fingerprint)
	}
	s.printf("commit  %s, %s, %s\n", short(entry.Commit), entry.Date.Format("2006-01-02"), entry.Tagger)
	s.printf("lint    %s\n", verdictText(entry.Lint))
	s.printf("bundle  sha256:%s, %d bytes\n", entry.Bundle.SHA256, entry.Bundle.Size)
	for _, line := range strings.Split(strings.TrimSpace(entry.Notes), "\n") {
		if line != "" {
			s.printf("notes   %s\n", oneLine(line))
		}
	}
	var rows [][]string
	for _, image := range entry.Images {
		rows = append(rows, []string{image.Reference, strings.Join(image.Services, " "), image.Digest})
		for _, p := range image.Platforms {
			rows = append(rows, []string{"  " + p.Platform, "", p.Manifest})
		}
	}
	return s.table([]string{"IMAGE", "SERVICES", "DIGEST"}, rows)
}

type catalogueYankCmd struct {
	catalogueConfig `embed:""`
	Version         string `arg:"" name:"recipe@version" help:"The version to withdraw."`
	Reason          string `required:"" help:"Why; operators are shown it." placeholder:"TEXT"`
}

func (catalogueYankCmd) Help() string {
	return `Examples:
  galley catalogue yank matomo@1.2.0+5.1.0 --reason "loses reports of the last hour"

It adds a line to yanked.txt beside the configuration; the next build marks the
version. A withdrawn version stays readable, for those who run it, and is not
offered to others. Remove the line to take it back.`
}

// Run writes the line.
func (c *catalogueYankCmd) Run(s *streams) error {
	name := filepath.Join(filepath.Dir(c.Config), catalogue.YankedName)
	if err := catalogue.Yank(name, c.Version, c.Reason); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]string{"file": name, "version": c.Version, "reason": c.Reason})
	}
	s.printf("%s: %s is withdrawn\nnext: galley catalogue build, then galley catalogue sign\n", name, c.Version)
	return nil
}

func verdictText(v catalogue.Verdict) string {
	vetted := "not vetted"
	if v.Vetted {
		vetted = "vetted"
	}
	return fmt.Sprintf("%s (gate %s): %d errors, %d warnings, %d infos", vetted, v.Gate, v.Errors, v.Warnings, v.Infos)
}
