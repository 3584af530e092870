package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appVerifyCmd struct {
	Domain       []string `arg:"" optional:"" help:"The apps' domains."`
	Server       string   `short:"s" help:"Only apps of this server." placeholder:"SERVER"`
	All          bool     `help:"Verify every app."`
	textfileFlag `embed:""`
}

func (appVerifyCmd) Help() string {
	return `Examples:
  galley app verify stats.example.org
  galley app verify --server prod1
  galley app verify --all --textfile /var/lib/prometheus/node-exporter/galley-verify.prom

Compares what runs with what the catalogue publishes of that version today: the
images of the running containers, the specs that the swarm stores, the contents of
configs, the entry, the secrets that are needed. A container on a node that cannot
be asked counts as requested, not observed.

Exit codes: 0 everything agrees. 1 something differs, or an app could not be asked
about while others could. 3, 4 the one app could not be asked about; 3 none could.`
}

// verifyAtOnce bounds how many apps of one server are compared at the same time,
// verifyWithin how long one of them may take.
const (
	verifyAtOnce = 4
	verifyWithin = 2 * time.Minute
)

// Run verifies the apps, those of different servers at the same time.
func (c *appVerifyCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	chosen, err := c.choose(s, apps)
	if err != nil {
		return err
	}
	servers, err := ask(ctx, s, apps, serversOf(chosen, ""))
	if err != nil {
		return err
	}
	defer deployer.CloseServers(servers)
	books := apps.shelf(s)
	defer books.close()
	results := books.verifyAll(ctx, chosen, servers)
	if err := ctx.Err(); err != nil {
		return err
	}
	one := len(c.Domain) == 1
	if one && results[0].Err() != nil && c.Textfile == "" && !s.prometheus {
		return results[0].Err()
	}
	doc := map[string]any{"apps": results, "servers": servers}
	err = s.answer(doc, verifyMetrics(results, books.expiries()), c.Textfile, func() error {
		s.printVerifications(results, one)
		return nil
	})
	if err != nil {
		return err
	}
	return verifyCode(s, results)
}

func (c *appVerifyCmd) choose(s *streams, apps *appCmd) ([]deployer.App, error) {
	if len(c.Domain) == 0 {
		if !c.All && c.Server == "" {
			return nil, fault.Hint(fault.New(fault.Usage, "no app is named"), "name domains, or --server SERVER, or --all")
		}
		chosen := apps.apps(s, c.Server)
		if len(chosen) == 0 {
			s.notef("galley: note: there is no app in %s yet\n", apps.dir().Root)
		}
		return chosen, nil
	}
	if c.All {
		return nil, fault.New(fault.Usage, "domains and --all are both given")
	}
	var chosen []deployer.App
	for _, domain := range c.Domain {
		app, err := apps.find(oneApp{Domain: domain, Server: c.Server})
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, app)
	}
	return chosen, nil
}

// verifyAll verifies a few apps of each server at a time. What goes wrong with one
// is in its answer.
func (h *shelf) verifyAll(ctx context.Context, apps []deployer.App, servers []*deployer.ServerState) []deployer.Verification {
	results := make([]deployer.Verification, len(apps))
	var all errgroup.Group
	for _, server := range servers {
		all.Go(func() error {
			var some errgroup.Group
			some.SetLimit(verifyAtOnce)
			for i, app := range apps {
				if app.Server == server.Name {
					some.Go(func() error { results[i] = h.verify(ctx, app, server); return nil })
				}
			}
			return some.Wait()
		})
	}
	_ = all.Wait() // none has an error
	return results
}

func (h *shelf) verify(ctx context.Context, app deployer.App, server *deployer.ServerState) deployer.Verification {
	ctx, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	v := deployer.NewVerification(app)
	if !server.Up {
		v.Fail(server.Err())
		return v
	}
	status := server.Stacks[app.Stack]
	switch {
	case status == nil:
		v.Fail(deployer.Undeployed(app))
		v.Answer = deployer.NotDeployed
		return v
	case status.Recipe != "" && status.Recipe != app.Recipe:
		v.Deny(status, "the stack runs the recipe %q, the env file names %q", status.Recipe, app.Recipe)
		return v
	case status.Unverified != "" && status.Entry == "": // a work tree: there is nothing to compare with
		v.Deny(status, "unverified: %s", status.Unverified)
		return v
	}
	published, err := h.published(ctx, app, server.Engine, status, status.Version)
	switch {
	case errors.Is(err, catalogue.ErrNotPublished):
		v.Deny(status, "%s", err)
		return v
	case status.Unverified != "" && fault.KindOf(err) == fault.Refused: // an image that no entry names
		v.Deny(status, "unverified: %s; %s", status.Unverified, err)
		return v
	case err != nil:
		v.Version = status.Version
		v.Fail(err)
		return v
	}
	return server.Engine.Verify(ctx, app, status, published)
}

// published is what the catalogue says of the version that an app runs.
func (h *shelf) published(ctx context.Context, app deployer.App, engine *deployer.Engine, status *deployer.Status, version string) (p deployer.Published, err error) {
	client, err := h.client(ctx, app)
	if err != nil {
		return p, err
	}
	w, err := h.apps.wantFrom(ctx, client, app, version)
	if err != nil {
		return p, err
	}
	p = deployer.Published{Desired: w.desired, Vetted: w.entry.Lint.Vetted, Expires: client.Info().ValidUntil()}
	if w.withdrawn != nil {
		p.Withdrawn = w.withdrawn.String()
	}
	err = h.distrust(ctx, client, engine, status)
	if fault.KindOf(err) == fault.Refused {
		p.Distrust, err = err.Error(), nil
	}
	return p, err
}

// verifyCode is no error when all agree. Of an app that is not deployed nothing is
// expected, unless it alone was asked about.
func verifyCode(s *streams, results []deployer.Verification) error {
	counts := map[deployer.Answer]int{}
	var failed error
	for i := range results {
		counts[results[i].Answer]++
		if failed == nil {
			failed = results[i].Err()
		}
	}
	asked := counts[deployer.Verified] + counts[deployer.Differs]
	switch {
	case len(results) == 1 && failed != nil, asked == 0 && counts[deployer.Unknown] > 0:
		if len(results) > 1 {
			failed = fault.Hint(fault.Wrap(fault.Unavailable, failed), "%s", fault.HintOf(failed))
		}
		if s.json {
			return answered{fault.KindOf(failed)}
		}
		return failed
	case counts[deployer.Differs]+counts[deployer.Unknown] > 0:
		return answered{fault.No}
	}
	return nil
}

func (s *streams) printVerifications(results []deployer.Verification, one bool) {
	for i := range results {
		s.printVerification(&results[i], one)
	}
	if one {
		return
	}
	counts := map[deployer.Answer]int{}
	for _, v := range results {
		counts[v.Answer]++
	}
	s.printf("%s: %d verified, %d differ, %d unknown, %d not deployed\n", count(len(results), "app"),
		counts[deployer.Verified], counts[deployer.Differs], counts[deployer.Unknown], counts[deployer.NotDeployed])
}

func (s *streams) printVerification(v *deployer.Verification, one bool) {
	indent := "  "
	if one {
		indent = ""
	}
	switch v.Answer {
	case deployer.Verified:
		s.printf("%s: what runs is %s %s as published\n", v.Domain, v.Recipe, v.Version)
	case deployer.Differs:
		if !one {
			s.printf("%s on %s: differs\n", v.Domain, v.Server)
		}
	default:
		s.printf("%s on %s: %s: %s\n", v.Domain, v.Server, v.Answer, v.Error)
		return
	}
	for _, problem := range v.Problems {
		s.printf("%sdiffers: %s\n", indent, oneLine(problem))
	}
	for _, dropped := range v.Dropped {
		s.printf("%snot stored by the engine: %s\n", indent, oneLine(dropped))
	}
	for _, note := range v.Notes {
		s.printf("%snote: %s\n", indent, oneLine(note))
	}
	if one {
		s.printf("%s compared, %d on other nodes requested and not observed\n", count(v.Containers, "container"), v.Requested)
		s.printNodes(v.Observed)
	}
}

func verifyMetrics(results []deployer.Verification, expiries map[string]time.Time) *metrics {
	m := &metrics{}
	for _, v := range results {
		if v.Answer == deployer.NotDeployed {
			continue
		}
		app := []label{{"domain", v.Domain}, {"server", v.Server}}
		m.flag("galley_app_verified", "Whether what runs is what the catalogue publishes: 0 when it differs, and when it could not be told.", v.Answer == deployer.Verified, app...)
		m.flag("galley_app_verify_unknown", "Whether the server or the catalogue could not be asked.", v.Answer == deployer.Unknown, app...)
		m.set("galley_app_verify_problems", "How many differences were found.", float64(len(v.Problems)), app...)
		m.set("galley_app_containers_compared", "Running containers whose image was compared with the entry.", float64(v.Containers), app...)
		m.set("galley_app_containers_unobserved", "Running containers on nodes that could not be asked.", float64(v.Requested), app...)
	}
	for _, location := range sortedNames(expiries) {
		m.moment("galley_catalogue_expiry_timestamp_seconds", "When the first signature of the catalogue expires.", expiries[location], label{"catalogue", location})
	}
	return m
}

// printNodes tells where containers were looked at and where they were not, when it
// was more than the connected node.
func (s *streams) printNodes(o deployer.Observed) {
	if len(o.Looked) > 1 {
		var names []string
		for _, n := range o.Looked {
			names = append(names, oneLine(n.Name))
		}
		s.printf("looked at nodes %s\n", strings.Join(names, ", "))
	}
	for _, n := range o.NotReached {
		s.printf("not observed: node %s: %s\n", oneLine(n.Name), oneLine(n.Reason))
	}
}
