package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// autoResult is what became of one app.
type autoResult struct {
	Domain string `json:"domain"`
	Server string `json:"server"`
	From   string `json:"from"` // what ran before, "" unknown
	To     string `json:"to"`   // what was tried, "" for nothing
	Result string `json:"result"`
	Reason string `json:"reason"` // one line, "" when there is nothing to say
	Code   int    `json:"code"`   // the exit code that a run for this app alone would have
}

// The results.
const (
	autoUpgraded = "upgraded"
	autoNewest   = "nothing to upgrade"
	autoOff      = "off" // the app does not want it
	autoAlone    = "left alone"
	autoFailed   = "failed"
)

// auto upgrades one app after the other. What happens to one stops no other.
func (c *appUpgradeCmd) auto(ctx context.Context, s *streams, signals *signals, apps *appCmd) error {
	chosen, results, err := c.chosen(apps)
	if err != nil {
		return err
	}
	engines := engineCache{}
	defer engines.close()
	for _, app := range chosen {
		result := autoResult{Domain: app.Domain, Server: app.Server}
		switch {
		case ctx.Err() != nil:
			result.Result, result.Reason, result.Code = autoAlone, "interrupted", fault.Interrupted.ExitCode()
		case !app.AutoUpdate():
			result.Result, result.Reason = autoOff, "its env file does not say ENABLE_AUTO_UPDATE=true"
		default:
			c.autoOne(ctx, s, signals, apps, engines, app, &result)
		}
		results = append(results, result)
	}
	return s.printAuto(results)
}

// chosen are the apps that were named, or all that want to be upgraded. Env files
// that cannot be read are among the results.
func (c *appUpgradeCmd) chosen(apps *appCmd) (chosen []deployer.App, results []autoResult, err error) {
	if len(c.Apps) > 0 {
		for _, domain := range c.Apps {
			app, err := apps.find(oneApp{domain, c.Server})
			if err != nil {
				return nil, nil, err
			}
			chosen = append(chosen, app)
		}
		return chosen, nil, nil
	}
	found, failed := apps.dir().Apps()
	for _, err := range failed {
		results = append(results, autoResult{Result: autoFailed, Reason: oneLine(err.Error()), Code: fault.KindOf(err).ExitCode()})
	}
	for _, app := range found {
		if app.AutoUpdate() && (c.Server == "" || app.Server == c.Server) {
			chosen = append(chosen, app)
		}
	}
	return chosen, results, nil
}

// autoOne upgrades one app, if everything speaks for it.
func (c *appUpgradeCmd) autoOne(ctx context.Context, s *streams, signals *signals, apps *appCmd, engines engineCache, app deployer.App, result *autoResult) {
	err := func() error {
		if _, err := apps.find(oneApp{app.Domain, app.Server}); err != nil { // two apps of one stack
			return err
		}
		engine, err := engines.connect(ctx, s, apps, app.Server)
		if err != nil {
			return err
		}
		w, err := c.autoTarget(ctx, s, apps, engine, app, result)
		if err != nil || w == nil {
			return err
		}
		plan, err := w.plan(ctx, engine)
		if err != nil {
			return err
		}
		if versions := plan.Irreversible(); len(versions) > 0 {
			return leftAlone("the release notes of %s say that there is no way back", strings.Join(versions, ", "))
		}
		if err := app.CanRecord(); err != nil {
			return err
		}
		options := c.options(signals, deployer.OpUpgrade)
		options.Catalogue, options.Report, options.OnFailure = w.mark(), s.eventLines(), deployer.PutBack
		if err := c.backUp(ctx, s, apps, engine, w, plan, options.Abort); err != nil {
			return err
		}
		outcome, err := s.finish(ctx, engine, app, w.desired, plan, options, w.record)
		if err != nil {
			return err
		}
		result.Result = autoUpgraded
		if kind, good := outcome.Kind(); !good {
			return fault.New(kind, "%s; the stack is %s", outcome.Why(), outcome.State)
		}
		return nil
	}()
	if err == nil {
		return
	}
	result.Result, result.Reason, result.Code = autoFailed, oneLine(err.Error()), fault.KindOf(err).ExitCode()
	if fault.KindOf(err) == fault.No {
		result.Result = autoAlone
	}
}

// leftAlone is why an app that could be upgraded is not: somebody has to look.
func leftAlone(format string, args ...any) error { return fault.New(fault.No, format, args...) }

// autoTarget is the patch to go to; nil, with the result filled in, for none.
func (c *appUpgradeCmd) autoTarget(ctx context.Context, s *streams, apps *appCmd, engine *deployer.Engine, app deployer.App, result *autoResult) (*wanted, error) {
	standing, err := standingOf(ctx, engine, app)
	if err != nil {
		return nil, err
	}
	result.From = standing.Version()
	running, err := recipe.ParseVersion(result.From)
	switch why := standing.Unverified(); {
	case why != "":
		return nil, leftAlone("what runs is unverified: %s", why)
	case err != nil:
		return nil, leftAlone("what runs is no published version")
	}
	client, err := apps.catalogueOf(ctx, s, app)
	if err != nil {
		return nil, err
	}
	published, err := client.Recipe(ctx, app.Recipe)
	if err != nil {
		return nil, err
	}
	entry, passed, err := client.Upgrade(ctx, published, result.From, func(e *catalogue.Entry) string { return notAuto(running, e) })
	if err != nil {
		return nil, err
	}
	if entry == nil {
		result.Result = autoNewest
		if len(passed) > 0 {
			result.Reason = fmt.Sprintf("%s is %s", passed[0].Version, oneLine(passed[0].Reason))
		}
		return nil, nil
	}
	result.To = entry.Version
	status, err := engine.Status(ctx, app.Stack)
	if err != nil {
		return nil, err
	}
	if !status.Healthy() {
		return nil, leftAlone("it is not healthy: %s", illness(status))
	}
	w, err := apps.wantEntry(ctx, app, client, published, entry, allowFlags{})
	if err != nil {
		return nil, err
	}
	return w, w.current(ctx, engine)
}

// notAuto is why a version is not taken unseen, "" when it is.
func notAuto(running recipe.Version, e *catalogue.Entry) string {
	version, err := recipe.ParseVersion(e.Version)
	switch {
	case err != nil || !running.IsPatch(version):
		return "more than a patch"
	case !e.Lint.Vetted:
		return notVetted
	}
	return ""
}

// illness says in one line what is wrong with an app that is not healthy.
func illness(status *deployer.Status) string {
	if status.Unfinished {
		return "a deploy is running, or was left unfinished"
	}
	var ill []string
	for _, service := range status.Services {
		if service.Running < service.Wanted {
			ill = append(ill, strings.TrimRight(fmt.Sprintf("%s runs %d of %d tasks: %s", service.Name, service.Running, service.Wanted, service.Error), ": "))
		}
	}
	return oneLine(strings.Join(ill, "; "))
}

// printAuto is the summary; the exit code is the worst app's.
func (s *streams) printAuto(results []autoResult) error {
	worst := 0
	rows := [][]string{}
	for _, r := range results {
		worst = max(worst, r.Code)
		rows = append(rows, []string{r.Domain, r.Server, r.From, r.To, r.Result, r.Reason})
	}
	var err error
	switch {
	case s.json:
		err = s.printJSON(map[string]any{"apps": append([]autoResult{}, results...), "code": worst})
	case len(rows) == 0:
		s.printf("no app says ENABLE_AUTO_UPDATE=true\n")
	default:
		err = s.table([]string{"DOMAIN", "SERVER", "FROM", "TO", "RESULT", "REASON"}, rows)
	}
	if err != nil || worst == 0 {
		return err
	}
	kinds := []fault.Kind{fault.No, fault.Usage, fault.Unavailable, fault.Refused, fault.PutBack, fault.Left, fault.Interrupted}
	i := slices.IndexFunc(kinds, func(k fault.Kind) bool { return k.ExitCode() == worst })
	return answered{kinds[max(i, 0)]}
}

// engineCache are the servers that were connected to, each once: one that does not
// answer is not waited for again.
type engineCache map[string]connected

type connected struct {
	engine *deployer.Engine
	err    error
}

func (c engineCache) connect(ctx context.Context, s *streams, apps *appCmd, server string) (*deployer.Engine, error) {
	known, ok := c[server]
	if !ok {
		known.engine, known.err = apps.connect(ctx, s, server)
		c[server] = known
	}
	return known.engine, known.err
}

func (c engineCache) close() {
	for _, known := range c {
		if known.engine != nil {
			known.engine.Close()
		}
	}
}
