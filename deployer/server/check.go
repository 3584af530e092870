package server

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/registry"
)

// Status is what came of a check.
type Status string

// The statuses. NotKnown is of what cannot be told from here: the hint says how to.
const (
	OK       Status = "ok"
	Warning  Status = "warning"
	Failed   Status = "failed"
	NotKnown Status = "not known"
)

// Finding is what one check found, on one line.
type Finding struct {
	// Check is the check's name: "engine", "swarm", "clock" and so on.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Node is the node's name, "" for what concerns the server as a whole.
	Node string `json:"node"`
	Text string `json:"finding"`
	// Hint is the next step, "" where there is none.
	Hint string `json:"hint"`
}

// Report is a server's findings, in the order of the checks.
type Report struct {
	Server   string    `json:"server"`
	Address  string    `json:"address"`
	Findings []Finding `json:"checks"`
}

// Worst is the report's worst status: failed, then warning, not known, ok.
func (r *Report) Worst() Status {
	order := []Status{OK, NotKnown, Warning, Failed}
	worst := OK
	for _, f := range r.Findings {
		if slices.Index(order, f.Status) > slices.Index(order, worst) {
			worst = f.Status
		}
	}
	return worst
}

// CheckOptions say how servers are checked.
type CheckOptions struct {
	// Timeout bounds each engine's answers; DefaultTimeout when zero.
	Timeout time.Duration
	// DNS says how names are looked up.
	DNS deployer.DNSOptions
	// Registry asks the registries; one of its own when nil.
	Registry *registry.Resolver
}

// Check looks at servers, all at the same time, and tells what is right with each and
// what is not. It changes nothing.
func Check(ctx context.Context, dir deployer.Dir, names []string, o CheckOptions) []*Report {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Registry == nil {
		o.Registry = registry.New(registry.Options{Timeout: o.Timeout})
		defer o.Registry.Close()
	}
	reports := make([]*Report, len(names))
	var checking sync.WaitGroup
	for i, name := range names {
		checking.Go(func() { reports[i] = checkOne(ctx, dir, name, o) })
	}
	checking.Wait()
	return reports
}

// checkOne goes through the families of checks. Those that ask somebody else than the
// engines go on at the same time.
func checkOne(ctx context.Context, dir deployer.Dir, name string, o CheckOptions) *Report {
	s := survey(ctx, dir, name, o.Timeout, askNetworks, askFacts)
	defer s.Close()
	r := &Report{Server: name, Address: s.Own().Address}
	asked := make([][]Finding, 3)
	var asking sync.WaitGroup
	if s.Manager() != nil {
		asking.Go(func() { asked[0] = checkPorts(s, probe(ctx, s)) })
		asking.Go(func() { asked[1] = checkRegistries(ctx, s, o.Registry) })
		asking.Go(func() { asked[2] = checkNames(ctx, dir, s, o) })
	}
	asking.Wait()
	r.add(checkEngines(s), checkAPI(s), checkSwarm(s), asked[0], checkClocks(s), checkDisks(s))
	r.add(checkNetworks(s), checkProxy(s), checkLogs(s), checkDaemon(s), asked[1], asked[2])
	return r
}

func (r *Report) add(families ...[]Finding) {
	for _, f := range families {
		r.Findings = append(r.Findings, f...)
	}
}

// answering are the looks at engines that answer.
func (s *Survey) answering() []*Look {
	var up []*Look
	for _, l := range s.Looks {
		if l.Err == nil {
			up = append(up, l)
		}
	}
	return up
}
