package deployer

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Journal is what stood on the swarm before a deploy's first write: enough to
// put the whole stack back, since swarm's own PreviousSpec is lost at the next
// update. It is kept on the swarm until the stack is new or back.
type Journal struct {
	Stack  string    `json:"stack"`
	Recipe string    `json:"recipe"` // what stood, "" for a first deploy
	From   string    `json:"from"`
	To     string    `json:"to"` // what was being deployed
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	// Token is what the history's record of the same deploy has, too.
	Token string `json:"token"`
	// Services are the stored specs by service name, as the engine gave them.
	Services map[string]swarm.ServiceSpec `json:"services"`
	// Networks and Configs are the names that stood; what a failed deploy made
	// beside them is taken away again.
	Networks []string `json:"networks"`
	Configs  []string `json:"configs"`
	// ConfigSpecs and NetworkOptions are what the specs' own configs and networks
	// were made from, by name, for one that is removed before the stack is back.
	// NetworkNames are the names behind the IDs in specs.
	ConfigSpecs    map[string]swarm.ConfigSpec      `json:"config_specs,omitempty"`
	NetworkOptions map[string]network.CreateOptions `json:"network_options,omitempty"`
	NetworkNames   map[string]string                `json:"network_names,omitempty"`
	// Partial says that the configs' contents did not fit: names stand alone.
	Partial bool `json:"partial,omitempty"`
	// Held says that no deploy wrote it: services were stopped, for a backup or a
	// restore, to be started again.
	Held bool `json:"held,omitempty"`
	// Unwell are the services that did not run all their tasks then. They are
	// put back like the others; that they run is not waited for.
	Unwell []string `json:"unwell"`
}

// maxJournal is the most that a config holds, in bytes, with room for the engine.
const maxJournal = 1_000_000

func newJournal(current *Stack, plan *Plan, unwell []string) *Journal {
	j := &Journal{
		Stack: current.Name, Recipe: plan.Recipe, From: plan.From, To: plan.To, By: Operator(), Since: time.Now().UTC().Truncate(time.Second), Token: rand.Text(),
		Services: map[string]swarm.ServiceSpec{}, Networks: []string{}, Configs: []string{}, Unwell: unwell,
	}
	for name, service := range current.Services {
		j.Services[name] = service.Spec
	}
	for name, n := range current.Networks {
		if !n.External {
			j.Networks = append(j.Networks, name)
		}
	}
	for name, c := range current.Configs {
		if !c.External {
			j.Configs = append(j.Configs, name)
		}
	}
	slices.Sort(j.Networks)
	slices.Sort(j.Configs)
	j.keepObjects(current)
	return j
}

// keepObjects copies what the specs name and the stack made itself.
func (j *Journal) keepObjects(current *Stack) {
	j.ConfigSpecs, j.NetworkOptions, j.NetworkNames = map[string]swarm.ConfigSpec{}, map[string]network.CreateOptions{}, map[string]string{}
	names := current.Names()
	for _, spec := range j.Services {
		for _, n := range spec.TaskTemplate.Networks {
			name, ok := names.Networks[n.Target]
			if !ok {
				continue
			}
			j.NetworkNames[n.Target] = name
			if n := current.Networks[name]; !n.External {
				j.NetworkOptions[name] = remade(n.Options)
			}
		}
		for _, name := range j.configNames(spec) {
			if c, ok := current.Configs[name]; ok && !c.External {
				j.ConfigSpecs[name] = c.Spec
			}
		}
	}
}

// remade are the options that make a network as it was.
func remade(n network.CreateOptions) network.CreateOptions {
	c := canonicalNetwork(n, n)
	c.Scope, c.IPAM = n.Scope, n.IPAM
	if n.IPAM != nil && len(n.IPAM.Config) == 0 {
		c.IPAM = nil
	}
	return c
}

func (j *Journal) configNames(spec swarm.ServiceSpec) []string {
	var names []string
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		for _, r := range c.Configs {
			names = append(names, r.ConfigName)
		}
	}
	return names
}

func (j *Journal) networkNames(spec swarm.ServiceSpec) []string {
	var names []string
	for _, n := range spec.TaskTemplate.Networks {
		if name := j.NetworkNames[n.Target]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// networkIDs are what a network may be called by: as the specs have it, and as it
// is now.
func (j *Journal) networkIDs(name, now string) []string {
	ids := []string{now}
	for id, n := range j.NetworkNames {
		if n == name && id != now {
			ids = slices.Insert(ids, 0, id)
		}
	}
	return ids
}

// named are the configs that the specs name, for a look whether they are there.
func (j *Journal) named() *Stack {
	s := &Stack{Configs: map[string]Config{}}
	for _, spec := range j.Services {
		for _, name := range j.configNames(spec) {
			s.Configs[name] = Config{}
		}
	}
	return s
}

// names lists the journalled services, sorted.
func (j *Journal) names() []string { return slices.Sorted(maps.Keys(j.Services)) }

// openJournal writes the journal of a deploy. When one stands already, an
// earlier deploy did not end, and what it names is the last state known to be
// whole: that one is kept, and returned with resumed set. A deploy that will not
// write anything needs none, and id is "" then.
func (e *Engine) openJournal(ctx context.Context, fresh *Journal, writes bool) (j *Journal, id string, resumed bool, err error) {
	standing, id, err := e.readJournal(ctx, fresh.Stack)
	if err != nil {
		return nil, "", false, err
	}
	ended := false
	if standing != nil {
		if ended, err = e.toldItsEnd(ctx, standing); err != nil {
			return nil, "", false, err
		}
	}
	switch {
	case ended:
		if err := e.removeRecord(ctx, id); err != nil {
			return nil, "", false, fmt.Errorf("removing the journal of a deploy that ended: %w", err)
		}
	case standing != nil:
		return standing, id, true, nil
	}
	if !writes {
		return fresh, "", false, nil
	}
	data, err := packJournal(fresh)
	if err != nil && len(fresh.ConfigSpecs) > 0 {
		fresh.ConfigSpecs, fresh.Partial = nil, true
		data, err = packJournal(fresh)
	}
	if err != nil {
		return nil, "", false, err
	}
	id, err = e.createRecord(ctx, recordJournal, fresh.Stack, "", data, nil)
	if err != nil {
		return nil, "", false, fmt.Errorf("writing the journal: %w", err)
	}
	return fresh, id, false, nil
}

// toldItsEnd tells whether the deploy of a journal came to its end and wrote that into
// the history: it was killed while it cleared up. What its journal names stood before
// it, and is not what the next deploy should put back.
func (e *Engine) toldItsEnd(ctx context.Context, j *Journal) (bool, error) {
	records, err := e.History(ctx, j.Stack)
	if err != nil || j.Token == "" {
		return false, err
	}
	return slices.ContainsFunc(records, func(r Record) bool {
		return r.Token == j.Token && (r.State == StateNew || r.State == StatePrevious)
	}), nil
}

// readJournal finds a stack's journal, nil when there is none.
func (e *Engine) readJournal(ctx context.Context, stack string) (*Journal, string, error) {
	records, err := e.records(ctx, recordJournal, stack)
	if err != nil {
		return nil, "", fmt.Errorf("reading the journal: %w", err)
	}
	if len(records) == 0 {
		return nil, "", nil
	}
	j, err := unpackJournal(records[0].Spec.Data)
	if err != nil {
		err = fmt.Errorf("reading the journal of stack %q: %w", stack, err)
		return nil, "", fault.Hint(err, "docker config rm %s, once you know that the stack is whole", records[0].Spec.Name)
	}
	return j, records[0].ID, nil
}

func packJournal(j *Journal) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(j); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() > maxJournal {
		return nil, fmt.Errorf("the stack's specs take %d bytes, more than the journal's %d", packed.Len(), maxJournal)
	}
	return packed.Bytes(), nil
}

func unpackJournal(data []byte) (*Journal, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var j Journal
	if err := json.NewDecoder(io.LimitReader(r, 64<<20)).Decode(&j); err != nil {
		return nil, err
	}
	return &j, nil
}
