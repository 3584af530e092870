package deployer

import (
	"fmt"
	"strconv"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

// Downtime says whether a change interrupts a service, as far as its spec tells.
type Downtime struct {
	Expected Expected `json:"expected"`
	Why      string   `json:"why"` // "" where there is nothing to tell
}

// Expected is how likely an interruption is.
type Expected string

// What can be expected.
const (
	NoDowntime       Expected = "none"
	PossibleDowntime Expected = "possible"
	SureDowntime     Expected = "yes"
)

// Scaled are replicas that an operator set by hand and a deploy keeps, where the
// recipe says another number.
type Scaled struct {
	Replicas uint64 `json:"replicas"`
	Recipe   uint64 `json:"recipe"`
}

// downtime judges a change of a service from have to want, which are zero where
// the service does not stand or goes away.
func (c Change) downtime(have, want swarm.ServiceSpec) Downtime {
	serving := min(replicasOf(have), replicasOf(want))
	switch {
	case c.Kind != "service" || c.Action == Keep || c.Action == Create:
		return Downtime{NoDowntime, ""}
	case c.Action == Remove:
		return Downtime{SureDowntime, "it is removed"}
	case replicasOf(have) == 0:
		return Downtime{NoDowntime, "no replica runs"}
	case replicasOf(want) == 0:
		return Downtime{SureDowntime, "scaled to 0 replicas"}
	case c.Replace:
		return Downtime{SureDowntime, "deleted and made anew, because swarm cannot change a mode"}
	case !c.Restarts:
		return Downtime{NoDowntime, ""}
	case isJob(want):
		return Downtime{NoDowntime, "a job runs again"}
	case startsFirst(want):
		return startFirst(want)
	}
	return stopFirst(want, serving)
}

// startFirst is an update that starts the new task beside the old one.
func startFirst(want swarm.ServiceSpec) Downtime {
	if why := cannotStart(want); why != "" {
		return Downtime{PossibleDowntime, why}
	}
	if !hasHealthcheck(want) {
		return Downtime{PossibleDowntime, "start-first, and no health check tells when the new task is ready"}
	}
	return Downtime{NoDowntime, "start-first, with a health check"}
}

// stopFirst is an update that stops tasks before new ones start, some at a time.
func stopFirst(want swarm.ServiceSpec, serving uint64) Downtime {
	atOnce := uint64(1)
	if u := want.UpdateConfig; u != nil {
		atOnce = u.Parallelism
	}
	switch {
	case want.Mode.Global != nil:
		return Downtime{SureDowntime, "global, stop-first: each node is without it in its turn"}
	case serving == 1:
		return Downtime{SureDowntime, "1 replica, stop-first"}
	case atOnce == 0 || atOnce >= serving:
		return Downtime{SureDowntime, fmt.Sprintf("all %d replicas at once, stop-first", serving)}
	case !hasHealthcheck(want):
		return Downtime{PossibleDowntime, fmt.Sprintf("%d of %d replicas at a time, and no health check tells when a new task is ready", atOnce, serving)}
	}
	return Downtime{NoDowntime, fmt.Sprintf("%d of %d replicas at a time, with a health check", atOnce, serving)}
}

// cannotStart is why a new task may find no place beside the old one.
func cannotStart(want swarm.ServiceSpec) string {
	if e := want.EndpointSpec; e != nil {
		for _, p := range e.Ports {
			if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
				return fmt.Sprintf("start-first with port %d in host mode: the new task cannot start on a node where the old one runs", p.PublishedPort)
			}
		}
	}
	if p := want.TaskTemplate.Placement; p != nil && p.MaxReplicas > 0 {
		return "start-first with max_replicas_per_node: the new task may find no node while the old one runs"
	}
	return ""
}

// sharedVolume is a volume that the old and the new task write to at the same
// time under start-first, "" when there is none.
func sharedVolume(want swarm.ServiceSpec) string {
	c := want.TaskTemplate.ContainerSpec
	if c == nil || !startsFirst(want) {
		return ""
	}
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && !m.ReadOnly && m.Source != "" {
			return m.Source
		}
	}
	return ""
}

func startsFirst(spec swarm.ServiceSpec) bool {
	return spec.UpdateConfig != nil && spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst
}

// hasHealthcheck tells whether the spec has a check. One that only the image has
// is not seen here.
func hasHealthcheck(spec swarm.ServiceSpec) bool {
	c := spec.TaskTemplate.ContainerSpec
	return c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE"
}

// replicasOf is how many tasks a spec asks for; 1 for modes that have no number.
func replicasOf(spec swarm.ServiceSpec) uint64 {
	if r := spec.Mode.Replicated; r != nil && r.Replicas != nil {
		return *r.Replicas
	}
	return 1
}

// interruption tells of a service's downtime, and what else its update risks.
func (p *planner) interruption(c *Change, have, want swarm.ServiceSpec) {
	c.Downtime = c.downtime(have, want)
	if c.Action != Update || !c.Restarts || c.Replace || replicasOf(have) == 0 || isJob(want) {
		return
	}
	if volume := sharedVolume(want); volume != "" {
		p.warnings = append(p.warnings, fmt.Sprintf("service %s: start-first runs the old and the new task on volume %q at the same time", c.Name, volume))
	}
	if why := cannotStart(want); startsFirst(want) && why != "" {
		p.warnings = append(p.warnings, "service "+c.Name+": "+why)
	}
}

// scaledByHand are the replicas that a deploy keeps although the recipe says
// another number, nil when it keeps none.
func (p *planner) scaledByHand(name string, want swarm.ServiceSpec) *Scaled {
	wished := p.desired.Stack.Services[name].Spec
	if want.Labels[LabelScale] == wished.Labels[LabelScale] || replicasOf(want) == replicasOf(wished) {
		return nil
	}
	return &Scaled{Replicas: replicasOf(want), Recipe: replicasOf(wished)}
}

func (s *Scaled) String() string {
	return strconv.FormatUint(s.Replicas, 10) + ", as an operator scaled it; the recipe says " + strconv.FormatUint(s.Recipe, 10)
}

func (d Downtime) String() string {
	text := map[Expected]string{NoDowntime: "no downtime", PossibleDowntime: "downtime possible", SureDowntime: "downtime"}[d.Expected]
	if d.Why != "" {
		text += ": " + d.Why
	}
	return text
}
