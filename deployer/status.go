package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Status is what the swarm says of a deployed app, without a catalogue.
type Status struct {
	Stack    string          `json:"stack"`
	Recipe   string          `json:"recipe"`  // from the stack's labels, "" when they are missing
	Version  string          `json:"version"` // the same
	Services []ServiceStatus `json:"services"`
	// Unfinished says that a deploy's journal stands: it runs now, or it died.
	Unfinished bool    `json:"unfinished"`
	Last       *Record `json:"last"` // newest history record, nil without any
}

// ServiceStatus is one service's tasks and update.
type ServiceStatus struct {
	Name    string    `json:"name"`
	Image   string    `json:"image"`
	Running int       `json:"running"`
	Wanted  int       `json:"wanted"`
	Update  string    `json:"update"` // swarm's update state, "" for none
	Error   string    `json:"error"`  // of the newest failed or waiting task, "" while all run
	Since   time.Time `json:"since"`  // of the last change to the service
}

// Healthy tells whether every service runs all its tasks.
func (s *Status) Healthy() bool {
	return !s.Unfinished && !slices.ContainsFunc(s.Services, func(x ServiceStatus) bool { return x.Running < x.Wanted })
}

// Status reads a stack's services and tasks. A stack that is not there is an
// error.
func (e *Engine) Status(ctx context.Context, stack string) (*Status, error) {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := e.api.ServiceList(bounded, swarm.ServiceListOptions{Filters: byStack(stack), Status: true})
	if err != nil {
		return nil, fmt.Errorf("reading the services of stack %q: %w", stack, err)
	}
	if len(services) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q", stack, e.Server)
		return nil, fault.Hint(err, "galley app deploy brings it there")
	}
	status := &Status{Stack: stack, Services: []ServiceStatus{}}
	for _, s := range services {
		if recipe := s.Spec.Labels["coop-cloud."+stack+".recipe"]; recipe != "" {
			status.Recipe, status.Version = recipe, s.Spec.Labels["coop-cloud."+stack+".version"]
		}
	}
	tasks, err := e.upToDate(bounded, services)
	if err != nil {
		return nil, fmt.Errorf("reading the tasks of stack %q: %w", stack, err)
	}
	for _, s := range services {
		status.Services = append(status.Services, serviceStatus(s, tasks[s.ID]))
	}
	slices.SortFunc(status.Services, func(a, b ServiceStatus) int { return strings.Compare(a.Name, b.Name) })
	return status, e.addRecords(ctx, status)
}

func serviceStatus(s swarm.Service, tasks []swarm.Task) ServiceStatus {
	status := ServiceStatus{Name: s.Spec.Name, Since: s.UpdatedAt}
	if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
		status.Image = c.Image
	}
	if s.UpdateStatus != nil {
		status.Update = string(s.UpdateStatus.State)
	}
	p := stand(s, tasks)
	status.Running, status.Wanted = p.Running, p.Slots
	switch {
	case p.Running >= p.Slots:
	case p.Failed != nil:
		status.Error = taskError(p.Failed)
	default:
		status.Error = oneLine(p.Waiting)
	}
	return status
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

func (e *Engine) addRecords(ctx context.Context, status *Status) error {
	journals, err := e.records(ctx, recordJournal, status.Stack)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	status.Unfinished = len(journals) > 0
	history, err := e.History(ctx, status.Stack)
	if len(history) > 0 {
		status.Last = &history[len(history)-1]
	}
	return err
}
