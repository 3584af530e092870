package deployer

import (
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// Limits are how long a deploy may take. Both count only their own: the
// converging clock stands while a task pulls its image.
type Limits struct {
	Converge time.Duration // until every service is settled
	Pull     time.Duration // in which some task was pulling
}

// The limits of a deploy that names none.
const (
	DefaultConverge = 5 * time.Minute
	DefaultPull     = 10 * time.Minute
)

func (l Limits) orDefaults() Limits {
	if l.Converge <= 0 {
		l.Converge = DefaultConverge
	}
	if l.Pull <= 0 {
		l.Pull = DefaultPull
	}
	return l
}

// patienceFor is the converging limit of a stack for which nobody named one: the
// default, or what its slowest service itself says that it may take, and as much
// again as the default for the rest of the way.
func patienceFor(s *Stack) time.Duration {
	longest := time.Duration(0)
	for _, service := range s.Services {
		longest = max(longest, healthPatience(service.Spec))
	}
	if longest < DefaultConverge {
		return DefaultConverge
	}
	return longest + DefaultConverge
}

// healthPatience is how long a service's health check lets a container start.
func healthPatience(spec swarm.ServiceSpec) time.Duration {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil || c.Healthcheck == nil {
		return 0
	}
	return c.Healthcheck.StartPeriod
}

// clocks are the two clocks of a watch. There is one pair for the whole stack,
// and not one for each service: a service that waits for its database must not be
// blamed for the time in which the database's image is pulled. It cannot wait for
// ever, because every moment counts on one of the two: a deploy ends within the
// sum of its limits.
type clocks struct {
	converging, pulling time.Duration
}

// add counts a step of the watch, in which progress is what was seen last.
func (c *clocks) add(step time.Duration, progress map[string]Progress) {
	if anyIn(progress, Pulling) {
		c.pulling += step
		return
	}
	c.converging += step
}

func anyIn(progress map[string]Progress, phase Phase) bool {
	for _, p := range progress {
		if p.Phase == phase {
			return true
		}
	}
	return false
}

// overdue says which limit passed and which service it was for, "" while none
// did. Of several late services the one is named that knows best why.
func (l Limits) overdue(c clocks, progress map[string]Progress) string {
	limit, what := l.Converge, "converging"
	switch {
	case c.converging > l.Converge:
	case c.pulling > l.Pull:
		limit, what = l.Pull, "pulling images"
	default:
		return ""
	}
	late, telling := "", 0
	for _, name := range sortedKeys(progress) {
		if n := progress[name].telling(what == "pulling images"); n > telling {
			late, telling = name, n
		}
	}
	if late == "" {
		return fmt.Sprintf("%s took longer than %s", what, limit)
	}
	p := progress[late]
	text := fmt.Sprintf("%s took longer than %s: service %s is %s with %d of %d tasks", what, limit, late, p.Phase, p.Running, p.Slots)
	return oneLine(text + p.why(limit))
}

// telling ranks how well a service explains a limit that passed.
func (p Progress) telling(pulling bool) int {
	switch {
	case p.Phase.final():
		return 0
	case pulling && p.Phase == Pulling:
		return 4
	case p.Failed != nil:
		return 3
	case p.Waiting != "":
		return 2
	}
	return 1
}

func (p Progress) why(limit time.Duration) string {
	switch {
	case p.Phase == Pulling:
		return p.pullingWhere()
	case p.Waiting != "":
		return ": " + p.Waiting
	case p.Failed != nil:
		return "; its last task failed with: " + taskError(p.Failed)
	case p.Patience > limit:
		return fmt.Sprintf("; its health check alone lets it start for %s", p.Patience)
	}
	return ""
}
