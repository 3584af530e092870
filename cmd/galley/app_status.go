package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appStatusCmd struct {
	Domain       string `arg:"" optional:"" help:"The app's domain (default: every app)."`
	Server       string `short:"s" help:"The app's server, or only apps of this one." placeholder:"SERVER"`
	textfileFlag `embed:""`
}

func (appStatusCmd) Help() string {
	return `Examples:
  galley app status stats.example.org
  galley app status --server prod1
  galley app status --output json
  galley app status --textfile /var/lib/prometheus/node-exporter/galley.prom

What runs where, in which version and since when, how healthy it is, whether an
upgrade is to be had, whether the swarm has something else than what is wanted
(drift), who deployed last and how that ended. Without a catalogue upgrades and
drift are left out, with a note.

Exit codes: 0 all is well. 1 a service does not run all its tasks, a deploy was left
unfinished, something drifted, or a server did not answer. 3 none answered.`
}

// Run shows one app, or all of them.
func (c *appStatusCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	chosen, err := c.choose(s, apps)
	if err != nil {
		return err
	}
	servers, err := ask(ctx, s, apps, serversOf(chosen, ""))
	if err != nil {
		return err
	}
	defer deployer.CloseServers(servers)
	states := statesOf(chosen, servers)
	books := apps.shelf(s)
	defer books.close()
	books.compare(ctx, states, servers)
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Domain != "" {
		return c.one(s, &states[0], servers)
	}
	doc := map[string]any{"apps": states, "servers": servers}
	if err := s.answer(doc, statusMetrics(states, servers), c.Textfile, func() error { return s.printStates(states) }); err != nil {
		return err
	}
	return statusCode(s, states, servers)
}

func (c *appStatusCmd) choose(s *streams, apps *appCmd) ([]deployer.App, error) {
	if c.Domain != "" {
		app, err := apps.find(oneApp{Domain: c.Domain, Server: c.Server})
		return []deployer.App{app}, err
	}
	chosen := apps.apps(s, c.Server)
	if len(chosen) == 0 {
		s.notef("galley: note: there is no app in %s yet\n", apps.dir().Root)
	}
	return chosen, nil
}

// one answers for one app: that its server does not answer, or has no stack of it,
// is the command's error.
func (c *appStatusCmd) one(s *streams, state *deployer.AppState, servers []*deployer.ServerState) error {
	err := noneUp(servers)
	if err == nil && state.State == deployer.StateUndeployed {
		err = deployer.Undeployed(state.App)
	}
	if err != nil && c.Textfile == "" && !s.prometheus {
		return err
	}
	states := []deployer.AppState{*state}
	answer := s.answer(state, statusMetrics(states, servers), c.Textfile, func() error {
		if err != nil {
			return nil
		}
		return s.printStatus(state)
	})
	if err = cmp.Or(answer, err); err != nil {
		return err
	}
	return statusCode(s, states, servers)
}

func statesOf(apps []deployer.App, servers []*deployer.ServerState) []deployer.AppState {
	states := []deployer.AppState{}
	for _, app := range apps {
		states = append(states, deployer.NewAppState(app, serverOf(servers, app.Server)))
	}
	return states
}

// compare looks up upgrades, and whether what stands is what is wanted. What cannot
// be told is left open, with a note for each reason.
func (h *shelf) compare(ctx context.Context, states []deployer.AppState, servers []*deployer.ServerState) {
	var all errgroup.Group
	reasons := make([]map[string]bool, len(servers))
	for i, server := range servers {
		reasons[i] = map[string]bool{}
		if server.Up {
			all.Go(func() error { h.compareOn(ctx, states, server, reasons[i]); return nil })
		}
	}
	_ = all.Wait() // none has an error
	merged := map[string]bool{}
	for _, some := range reasons {
		maps.Copy(merged, some)
	}
	for _, reason := range slices.Sorted(maps.Keys(merged)) {
		h.s.notef("galley: note: upgrades and drift are not told: %s\n", reason)
	}
}

func (h *shelf) compareOn(ctx context.Context, states []deployer.AppState, server *deployer.ServerState, reasons map[string]bool) {
	found := make([]*deployer.Desired, len(states))
	failed := make([]error, len(states))
	var looking errgroup.Group
	looking.SetLimit(lookAtOnce)
	for i := range states {
		if states[i].Server == server.Name && server.Stacks[states[i].Stack] != nil {
			looking.Go(func() error {
				found[i], failed[i] = h.look(ctx, &states[i], server.Engine)
				return nil
			})
		}
	}
	_ = looking.Wait() // none has an error
	var wanted []*deployer.Desired
	of := map[string]*deployer.AppState{}
	for i := range states {
		if failed[i] != nil {
			reasons[oneLine(failed[i].Error())] = true
		}
		if found[i] != nil {
			wanted, of[states[i].Stack] = append(wanted, found[i]), &states[i]
		}
	}
	drifts, err := server.Engine.Drifts(ctx, wanted)
	if err != nil {
		reasons[oneLine(err.Error())] = true
	}
	for stack, drift := range drifts {
		of[stack].Drift = drift
	}
}

// lookAtOnce bounds how many apps of one server are looked up at the same time.
const lookAtOnce = 4

// look finds an app's upgrade and what is wanted of it at the version that runs.
func (h *shelf) look(ctx context.Context, state *deployer.AppState, engine *deployer.Engine) (*deployer.Desired, error) {
	app := state.App
	if app.Recipe == "" || state.Recipe != app.Recipe {
		return nil, fault.New(fault.Unavailable, "%s: the stack runs the recipe %q, the env file names %q", app.Domain, state.Recipe, app.Recipe)
	}
	client, err := h.client(ctx, app)
	if err != nil {
		return nil, err
	}
	if err := h.distrust(ctx, client, engine, &state.Status); err != nil {
		return nil, err
	}
	if state.Upgrade, err = h.upgrade(ctx, client, app.Recipe, state.Version); err != nil {
		return nil, err
	}
	w, err := h.apps.wantFrom(ctx, client, app, state.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", app.Domain, err)
	}
	return w.desired, nil
}

// statusCode is no error when every app does what it should, and every server
// answered.
func statusCode(s *streams, states []deployer.AppState, servers []*deployer.ServerState) error {
	if err := noneUp(servers); err != nil {
		if s.json {
			return answered{fault.KindOf(err)}
		}
		return err
	}
	for i := range states {
		switch state := &states[i]; {
		case state.Drift == deployer.DriftYes, state.State == deployer.StateDegraded,
			state.State == deployer.StateUnfinished, state.State == deployer.StateUnreachable:
			return answered{fault.No}
		}
	}
	return nil
}

func (s *streams) printStates(states []deployer.AppState) error {
	if len(states) == 0 {
		return nil
	}
	var rows [][]string
	for i := range states {
		state := &states[i]
		rows = append(rows, []string{
			state.Domain, state.Server, state.Recipe, orDash(state.Version), orDash(state.Upgrade), tasksOf(state), stateWords(state),
			string(state.Drift), age(state.Since), orDash(lastDeploy(state.Last)),
		})
	}
	return s.table([]string{"DOMAIN", "SERVER", "RECIPE", "VERSION", "UPGRADE", "TASKS", "STATE", "DRIFT", "AGE", "LAST"}, rows)
}

func orDash(text string) string { return cmp.Or(text, "-") }

func tasksOf(state *deployer.AppState) string {
	if len(state.Services) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", state.Running, state.Wanted)
}

// stateWords is the state with what must not be overlooked beside it.
func stateWords(state *deployer.AppState) string {
	words := []string{string(state.State)}
	if state.State == deployer.StateRunning || state.State == deployer.StateDegraded {
		words = []string{cmp.Or(string(state.Health), string(state.State))}
	}
	if state.Unverified != "" {
		words = append(words, "unverified")
	}
	if state.Lock != nil {
		words = append(words, "locked")
	}
	return strings.Join(words, ", ")
}

// age is how long ago something was, in the unit that people would say it in.
func age(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	switch d := max(time.Since(at), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func lastDeploy(r *deployer.Record) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%s by %s: %s", cmp.Or(r.Operation, deployer.OpDeploy), r.By, r.Verdict)
}

func (s *streams) printStatus(state *deployer.AppState) error {
	s.printf("%s on %s: %s %s\n", state.Domain, state.Server, oneLine(state.Recipe), oneLine(state.Version))
	if state.Upgrade != "" {
		s.printf("upgrade: %s\n", state.Upgrade)
	}
	if last := state.Last; last != nil {
		s.printf("last deploy: %s, %s\n", last.When.Local().Format("2006-01-02 15:04"), oneLine(lastDeploy(last)))
	}
	switch state.Drift {
	case deployer.DriftYes:
		s.printf("drift: yes; galley app plan %s shows it\n", state.Domain)
	case deployer.DriftNo:
		s.printf("drift: none\n")
	}
	if state.Unverified != "" {
		s.printf("unverified: %s\n", state.Unverified)
	}
	if l := state.Lock; l != nil {
		s.printf("locked by %s since %s, for %s%s\n", oneLine(l.Owner), l.Since.Local().Format("2006-01-02 15:04"), oneLine(l.Reason), staleText(l))
	}
	switch {
	case state.Restoring != "":
		s.printf("a restore of run %s is running, or was left unfinished: galley app restore does it again, with --undo it goes back\n", oneLine(state.Restoring))
	case state.Unfinished:
		s.printf("a deploy is running, or was left unfinished: the next deploy starts from its journal\n")
	}
	if state.EnvVersion != "" && state.EnvVersion != state.Version {
		s.printf("the env file names version %s\n", state.EnvVersion)
	}
	var rows [][]string
	for _, service := range state.Services {
		rows = append(rows, []string{
			service.Name, fmt.Sprintf("%d/%d", service.Running, service.Wanted), string(service.Health), orDash(nodesOf(service)),
			service.Update, deployer.ShortImage(service.Image), service.Error,
		})
	}
	return s.table([]string{"SERVICE", "TASKS", "HEALTH", "NODES", "UPDATE", "IMAGE", "ERROR"}, rows)
}

func staleText(l *deployer.LockStatus) string {
	if l.Stale {
		return " (its holder is gone; the next deploy takes it over)"
	}
	return ""
}

// nodesOf names each node once, with how many tasks it has beyond one.
func nodesOf(service deployer.ServiceStatus) string {
	counts := map[string]int{}
	for _, task := range service.Tasks {
		if task.Node != "" {
			counts[task.Node]++
		}
	}
	var names []string
	for _, name := range sortedNames(counts) {
		if counts[name] > 1 {
			name = fmt.Sprintf("%s×%d", name, counts[name])
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// statusMetrics are of what is, or should be, deployed. Their names are a promise:
// alerts hang on them.
func statusMetrics(states []deployer.AppState, servers []*deployer.ServerState) *metrics {
	m := &metrics{}
	for _, server := range servers {
		m.flag("galley_server_up", "Whether the server answered.", server.Up, label{"server", server.Name})
	}
	for i := range states {
		if state := &states[i]; state.State != deployer.StateUnreachable && state.State != deployer.StateUndeployed && state.State != deployer.StateNotAsked {
			measureApp(m, state)
		}
	}
	return m
}

func measureApp(m *metrics, state *deployer.AppState) {
	app := []label{{"domain", cmp.Or(state.Domain, state.Stack)}, {"server", state.Server}}
	running := 0
	for _, service := range state.Services {
		if service.Running >= service.Wanted {
			running++
		}
	}
	m.flag("galley_app_up", "Whether every service runs all its tasks, and no deploy is unfinished.", state.Healthy(), app...)
	m.set("galley_app_services_running", "Services that run all their tasks.", float64(running), app...)
	m.set("galley_app_services_wanted", "Services that the stack has.", float64(len(state.Services)), app...)
	m.set("galley_app_tasks_running", "Tasks that run and are healthy.", float64(state.Running), app...)
	m.set("galley_app_tasks_wanted", "Tasks that should run.", float64(state.Wanted), app...)
	if state.Drift != deployer.DriftUnknown {
		m.flag("galley_app_drift", "Whether the swarm has something else than what is wanted; not there when it could not be told.", state.Drift == deployer.DriftYes, app...)
	}
	m.flag("galley_app_upgrade_available", "Whether a newer vetted version is published.", state.Upgrade != "", app...)
	m.flag("galley_app_unverified", "Whether what runs was deployed without anybody vouching for it.", state.Unverified != "", app...)
	m.flag("galley_app_unfinished", "Whether a deploy runs, or was left unfinished.", state.Unfinished, app...)
	m.flag("galley_app_locked", "Whether somebody holds the stack's lock.", state.Lock != nil, app...)
	if last := state.Last; last != nil {
		m.moment("galley_app_last_deploy_timestamp_seconds", "When the last deploy, or other recorded change, began.", last.When, app...)
		m.flag("galley_app_last_deploy_ok", "Whether that converged.", last.Verdict == deployer.Converged, app...)
	}
	info := append(app, label{"recipe", state.Recipe}, label{"version", state.Version}, label{"upgrade", state.Upgrade})
	m.set("galley_app_info", "1, with the version that runs and the newest that it could be upgraded to.", 1, info...)
}
