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
	// UnusedSecrets are secrets of the stack that nothing names any more. They stay:
	// their values cannot be had again.
	UnusedSecrets []string `json:"unused_secrets"`
	// Notes are the release notes of the versions between From and To, the oldest
	// first. Going back they are those of the versions that are left.
	Notes []Note `json:"notes"`
}

// Note is the release notes of one version that a plan passes.
type Note struct {
	Version string `json:"version"`
	Text    string `json:"text"` // as its maintainer wrote it
	// Irreversible says that the notes say that the version cannot be rolled back.
	Irreversible bool `json:"irreversible"`
	// Leaving says that the plan goes back, and leaves this version.
	Leaving bool `json:"leaving"`
}

// Irreversible are the versions whose notes say that they cannot be rolled back.
func (p *Plan) Irreversible() []string {
	versions := []string{}
	for _, n := range p.Notes {
		if n.Irreversible {
			versions = append(versions, n.Version)
		}
	}
	return versions
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
	// Downtime says whether the change interrupts the service.
	Downtime Downtime `json:"downtime"`
	// Scaled is set when replicas that an operator set are kept, and the recipe
	// says another number.
	Scaled *Scaled `json:"scaled,omitempty"`
}

// Field is one field of a spec that changes. Values of secret-looking fields
// are masked.
type Field struct {
	Path string `json:"path"` // "TaskTemplate.ContainerSpec.Image"
	Old  string `json:"old"`
	New  string `json:"new"`
	// Origin is OriginClient for what another client of recipes left, and "" for
	// what the recipe changes.
	Origin string `json:"origin,omitempty"`
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
