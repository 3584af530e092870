package deployer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// Status is what the swarm says of a deployed app, without a catalogue.
type Status struct {
	Stack   string `json:"stack"`
	Recipe  string `json:"recipe"`  // from the stack's labels, "" when they are missing
	Version string `json:"version"` // the same
	// Entry is the digest of the catalogue's entry that the stack says it was
	// deployed from, "" when it does not: another client deployed it.
	Entry string `json:"entry"`
	// Unverified is why nobody vouches for what runs, as its deploy said; "" when
	// somebody does.
	Unverified string          `json:"unverified"`
	Services   []ServiceStatus `json:"services"`
	Since      time.Time       `json:"since,omitzero"` // of the last change to a service, by the swarm's clock
	// Unfinished says that a deploy's journal stands, or a restore's record: it runs
	// now, or it died.
	Unfinished bool `json:"unfinished"`
	// Restoring is the run of a backup whose restore is under way, or was left; "" for
	// none.
	Restoring string      `json:"restoring"`
	Lock      *LockStatus `json:"lock"` // nil when nobody holds it
	Last      *Record     `json:"last"` // newest history record, nil without any
	// Catalogue is the fingerprint of the root of the catalogue that the stack was
	// last deployed from with success, "" when none is recorded.
	Catalogue string `json:"catalogue"`

	recorded time.Time // when Last was written, by the swarm's clock
	source   int       // number of the record that Catalogue is from
}

// ServiceStatus is one service's tasks and update.
type ServiceStatus struct {
	Name    string       `json:"name"`
	Image   string       `json:"image"`
	Running int          `json:"running"`
	Wanted  int          `json:"wanted"`
	Health  Health       `json:"health"`
	Tasks   []TaskStatus `json:"tasks"`  // those that run or are about to
	Update  string       `json:"update"` // swarm's update state, "" for none
	Error   string       `json:"error"`  // of the newest failed or waiting task, "" while all run
	Since   time.Time    `json:"since"`  // of the last change to the service
}

// Health is how a service does, in one word.
type Health string

// The words.
const (
	HealthGood     Health = "healthy"  // all tasks run, and their health check says so
	HealthRunning  Health = "running"  // all tasks run, and nothing checks them
	HealthStarting Health = "starting" // some do not run yet
	HealthFailing  Health = "failing"  // some do not run, and one failed
	HealthStopped  Health = "stopped"  // none is wanted
)

// describe reads what the labels of one of its services say of the stack.
func (s *Status) describe(labels map[string]string) {
	label := func(what string) string { return labels[clientLabel(s.Stack, what)] }
	if recipe := label("recipe"); recipe != "" {
		s.Recipe, s.Version = recipe, label("version")
	}
	s.Entry = cmp.Or(s.Entry, labels[LabelEntry])
	switch why := labels[LabelUnverified]; {
	case why != "":
		s.Unverified = oneLine(why)
	case label("chaos") == "true" && s.Unverified == "":
		s.Unverified = oneLine("another client deployed it from a work tree: chaos " + label("chaos-version"))
	}
}

// Healthy tells whether every service runs all its tasks.
func (s *Status) Healthy() bool {
	return !s.Unfinished && !slices.ContainsFunc(s.Services, func(x ServiceStatus) bool { return x.Running < x.Wanted })
}

func serviceStatus(s swarm.Service, tasks []swarm.Task) ServiceStatus {
	status := ServiceStatus{Name: s.Spec.Name, Since: s.UpdatedAt, Tasks: []TaskStatus{}}
	c := s.Spec.TaskTemplate.ContainerSpec
	if c != nil {
		status.Image = c.Image
	}
	if s.UpdateStatus != nil {
		status.Update = string(s.UpdateStatus.State)
	}
	p := stand(s, tasks)
	status.Running, status.Wanted = p.Running, p.Slots
	switch {
	case p.Slots == 0:
		status.Health = HealthStopped
	case p.Running >= p.Slots && checked(c):
		status.Health = HealthGood
	case p.Running >= p.Slots:
		status.Health = HealthRunning
	case p.Failed != nil:
		status.Health, status.Error = HealthFailing, taskError(p.Failed)
	default:
		status.Health, status.Error = HealthStarting, oneLine(p.Waiting)
	}
	return status
}

// checked tells whether a health check is written down; one of the image alone
// does not show here.
func checked(c *swarm.ContainerSpec) bool {
	return c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE"
}

// stand is how a service does without a deploy: what any update of it came to
// plays no part. The time is of no consequence: it would only tell how long ago
// the service settled.
func stand(s swarm.Service, tasks []swarm.Task) Progress {
	o := Observation{Service: s, Tasks: tasks, Slots: slotsOf(s)}
	return judge(o, Expectation{Prior: startOf(s.UpdateStatus), Job: isJob(s.Spec)}, time.Now())
}

// unwell lists the stack's services that do not run all their tasks.
func (e *Engine) unwell(ctx context.Context, stack string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: byStack(stack), Status: true})
	if err != nil {
		return nil, err
	}
	tasks, err := e.upToDate(ctx, services)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, s := range services {
		if p := stand(s, tasks[s.ID]); p.Running < p.Slots {
			names = append(names, s.Spec.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// touched lists the services that changed after galley's last record of the stack,
// by the swarm's clock: somebody else changed them. Without a record nobody can
// say.
func (s *Status) touched() []string {
	var names []string
	for _, service := range s.Services {
		if !s.recorded.IsZero() && service.Since.After(s.recorded) {
			names = append(names, service.Name)
		}
	}
	return names
}
