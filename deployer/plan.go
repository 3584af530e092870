package deployer

// Action is what a plan does with one object.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Remove Action = "remove"
	Keep   Action = "keep"
)

// Plan is the difference between a wanted and a current stack. It is made
// without touching the swarm; the same two stacks give the same plan.
type Plan struct {
	Stack   string   `json:"stack"`
	Recipe  string   `json:"recipe"`
	From    string   `json:"from"` // version now, "" for a first deploy
	To      string   `json:"to"`
	Changes []Change `json:"changes"` // in the order they are applied
	// Warnings are what the operator should know: unset variables, what the
	// engine would ignore, an entry that is not vetted.
	Warnings []string `json:"warnings"`
}

// Change is what happens to one object.
type Change struct {
	Kind   string  `json:"kind"` // "network", "config", "secret", "service", "volume"
	Name   string  `json:"name"`
	Action Action  `json:"action"`
	Fields []Field `json:"fields"` // of an update, by path
	// Restarts says that tasks of the service are replaced.
	Restarts bool `json:"restarts"`
	// Replace says that the service must be deleted and made anew, because swarm
	// refuses to change a service's mode.
	Replace bool `json:"replace"`
}

// Field is one field of a spec that changes. Values of secret-looking fields
// are masked.
type Field struct {
	Path string `json:"path"` // "TaskTemplate.ContainerSpec.Image"
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Empty tells whether applying the plan would change nothing.
func (p *Plan) Empty() bool {
	for _, c := range p.Changes {
		if c.Action != Keep {
			return false
		}
	}
	return true
}
