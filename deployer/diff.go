package deployer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"github.com/galley-coop/galley/internal/fault"
)

// NewPlan compares a wanted stack with the current one, nil when there is none.
// current must hold, beside what is the stack's own, every network, config and
// secret that desired names, when it exists.
//
// An error says why the plan must not be applied: all reasons in one, before
// anything was changed. The plan is returned with it, so that it can be shown.
func NewPlan(desired *Desired, current *Stack) (*Plan, error) {
	if current == nil {
		current = &Stack{Name: desired.Stack.Name}
	}
	desired = desired.against(current)
	p := planner{desired: desired, current: current, names: current.Names(), mask: desired.mask.clone()}
	p.learn()
	plan := &Plan{
		Stack: desired.Stack.Name, Recipe: desired.Recipe, From: p.deployed("version"), To: desired.Version,
		Changes:  []Change{},
		Warnings: append(slices.Clone(desired.Warnings), droppedWarnings(desired.Stack, current.API)...),
	}
	plan.UnusedSecrets = unusedSecrets(desired, current)
	plan.Notes = notes(desired.Notes, plan.From, plan.To)
	p.checkRecipe()
	networks, unwanted := p.networks()
	plan.Changes = slices.Concat(networks, p.configs(), p.secrets(), p.volumes(), p.services(), p.removals(), unwanted)
	markOrigins(plan.Changes, desired, current)
	plan.Warnings = append(plan.Warnings, p.warnings...)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		c.Downtime.Expected = cmp.Or(c.Downtime.Expected, NoDowntime)
	}
	if plan.Warnings == nil {
		plan.Warnings = []string{}
	}
	return plan, p.err()
}

// planner collects what stands against a plan while it is made.
type planner struct {
	desired  *Desired
	current  *Stack
	names    Names
	mask     masker
	warnings []string
	problems []string
	hints    []string
	refused  bool
}

func (p *planner) block(hint, format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
	if !slices.Contains(p.hints, hint) {
		p.hints = append(p.hints, hint)
	}
}

func (p *planner) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	kind := fault.Unavailable
	if p.refused {
		kind = fault.Refused
	}
	return fault.Hint(fault.New(kind, "%s", strings.Join(p.problems, "; ")), "%s", strings.Join(p.hints, "; "))
}

// learn remembers the secrets among the variables of both stacks.
func (p *planner) learn() {
	for _, s := range []*Stack{p.desired.Stack, p.current} {
		for _, name := range slices.Sorted(maps.Keys(s.Services)) {
			if c := s.Services[name].Spec.TaskTemplate.ContainerSpec; c != nil {
				for _, variable := range c.Env {
					key, value, _ := strings.Cut(variable, "=")
					p.mask.learn(key, value)
				}
			}
		}
	}
}

// deployed is what a client's label on the current services says.
func (p *planner) deployed(what string) string { return p.current.deployed(what) }

func (s *Stack) deployed(what string) string {
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		if value := s.Services[name].Spec.Labels[clientLabel(s.Name, what)]; value != "" {
			return value
		}
	}
	return ""
}

// Version is the recipe's version that a current stack was deployed from, as its
// labels say; "" when they do not.
func (s *Stack) Version() string { return s.deployed("version") }

// Recipe is the recipe that a current stack was deployed from, as its labels say; "" when
// they do not.
func (s *Stack) Recipe() string { return s.deployed("recipe") }

func (p *planner) checkRecipe() {
	if len(p.current.Services) == 0 {
		return
	}
	switch found := p.deployed("recipe"); found {
	case p.desired.Recipe:
	case "":
		p.warnings = append(p.warnings, fmt.Sprintf("the stack %q runs already, and does not say from which recipe", p.current.Name))
	default:
		p.refused = true
		p.block("undeploy that app first, or give this one another domain",
			"the stack %q runs the recipe %q; expected %q", p.current.Name, found, p.desired.Recipe)
	}
}

// networks are the wanted ones, and those to remove once no service is left in them.
func (p *planner) networks() (wanted, unwanted []Change) {
	for _, name := range slices.Sorted(maps.Keys(p.desired.Stack.Networks)) {
		if n := p.desired.Stack.Networks[name]; !n.External {
			wanted = append(wanted, p.network(name, n))
		} else if _, ok := p.current.Networks[name]; !ok && !predefined(name) {
			p.block("make it with: docker network create --driver overlay "+name, "external network %q does not exist", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.current.Networks)) {
		if _, ok := p.desired.Stack.Networks[name]; !ok && !p.current.Networks[name].External {
			unwanted = append(unwanted, Change{Kind: "network", Name: name, Action: Remove, Fields: []Field{}})
		}
	}
	return wanted, unwanted
}

// predefined are networks that every node has by itself.
func predefined(name string) bool { return name == "host" || name == "bridge" || name == "none" }

func (p *planner) network(name string, want Network) Change {
	change := Change{Kind: "network", Name: name, Action: Keep, Fields: []Field{}}
	have, ok := p.current.Networks[name]
	if !ok {
		change.Action = Create
		return change
	}
	if owner := have.Options.Labels[NamespaceLabel]; have.External && owner != "" {
		p.block("rename the network, or declare it external", "network %q belongs to the stack %q", name, owner)
		return change
	}
	change.Fields = difference(flatten(canonicalNetwork(have.Options, want.Options)), flatten(canonicalNetwork(want.Options, want.Options)), &p.mask)
	if len(change.Fields) == 0 {
		return change
	}
	var paths []string
	for _, f := range change.Fields {
		paths = append(paths, f.Path)
	}
	if !slices.ContainsFunc(paths, func(s string) bool { return !strings.HasPrefix(s, "Labels[") }) {
		p.warnings = append(p.warnings, fmt.Sprintf("network %q keeps its labels: swarm cannot change them", name))
		change.Fields = []Field{}
		return change
	}
	change.Action = Update
	p.block("undeploy the app and deploy it again, which makes the network anew; volumes and secrets stay",
		"network %q differs in %s, and swarm cannot change a network", name, strings.Join(paths, ", "))
	return change
}

func (p *planner) configs() []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(p.desired.Stack.Configs)) {
		want := p.desired.Stack.Configs[name]
		have, ok := p.current.Configs[name]
		switch {
		case want.External && !ok:
			p.block("make it with: docker config create "+name+" FILE", "external config %q does not exist", name)
		case want.External:
		case !ok:
			changes = append(changes, Change{Kind: "config", Name: name, Action: Create, Fields: []Field{}})
		case !sameConfig(want.Spec, have.Spec):
			p.block(p.configHint(name), "config %q exists with other content; the recipe changed it without a new version", name)
			changes = append(changes, p.changedConfig(name, want.Spec, have.Spec))
		default:
			changes = append(changes, Change{Kind: "config", Name: name, Action: Keep, Fields: []Field{}})
		}
	}
	return changes
}

// configHint is the way out of a config that changed under its name, for who
// maintains the recipe and for who runs it.
func (p *planner) configHint(name string) string {
	way := "galley app undeploy " + p.desired.Domain + " and deploy it again, which makes the config anew while volumes and secrets stay"
	if !usesConfig(p.current, name) {
		way = "remove the old one, which no service of the stack uses, with: docker config rm " + name
	}
	return "its maintainer raises the config's version in abra.sh and releases that; its operator stays with the version that runs until then, or may " + way
}

// sameConfig compares what a config does; labels do nothing.
func sameConfig(a, b swarm.ConfigSpec) bool {
	x, y := canonicalConfig(a), canonicalConfig(b)
	return bytes.Equal(x.Data, y.Data) && maps.Equal(flatten(x.Templating), flatten(y.Templating))
}

func (p *planner) changedConfig(name string, want, have swarm.ConfigSpec) Change {
	view := func(spec swarm.ConfigSpec) map[string]string {
		sum := sha256.Sum256(spec.Data)
		flat := flatten(struct{ Templating *swarm.Driver }{canonicalConfig(spec).Templating})
		flat["Data"] = fmt.Sprintf("%d bytes, sha256:%s", len(spec.Data), hex.EncodeToString(sum[:])[:12])
		return flat
	}
	return Change{Kind: "config", Name: name, Action: Update, Fields: difference(view(have), view(want), &p.mask)}
}

func (p *planner) secrets() []Change {
	var changes []Change
	for _, s := range p.desired.Secrets {
		if _, ok := p.current.Secrets[s.Name]; !ok {
			p.block(p.secretHint(s), "secret not generated: %s", s.Name)
			continue
		}
		changes = append(changes, Change{Kind: "secret", Name: s.Name, Action: Keep, Fields: []Field{}})
	}
	return changes
}

func (p *planner) secretHint(s SecretSpec) string {
	if s.Generate {
		return "galley app secret generate " + p.desired.Domain
	}
	return fmt.Sprintf("galley app secret insert %s %s", p.desired.Domain, s.Key)
}

// volumes are made by the nodes when a task first mounts them: one that a
// current service mounts is there, wherever its node is.
func (p *planner) volumes() []Change {
	mounted := map[string]bool{}
	for _, service := range p.current.Services {
		if c := service.Spec.TaskTemplate.ContainerSpec; c != nil {
			for _, m := range c.Mounts {
				mounted[m.Source] = true
			}
		}
	}
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(p.desired.Stack.Volumes)) {
		action, want := Create, p.desired.Stack.Volumes[name]
		have, ok := p.current.Volumes[name]
		if ok || mounted[name] || want.External {
			action = Keep
		}
		if ok && !want.External && !sameVolume(have.Options, want.Options) {
			p.warnings = append(p.warnings, fmt.Sprintf("volume %q exists and keeps its driver and options: engines do not change them", name))
		}
		changes = append(changes, Change{Kind: "volume", Name: name, Action: action, Fields: []Field{}})
	}
	return changes
}

func sameVolume(a, b volume.CreateOptions) bool {
	return cmp.Or(a.Driver, "local") == cmp.Or(b.Driver, "local") && maps.Equal(a.DriverOpts, b.DriverOpts)
}

func (p *planner) services() []Change {
	var changes []Change
	for _, name := range deployOrder(slices.Collect(maps.Keys(p.desired.Stack.Services)), p.desired.DependsOn) {
		have, ok := p.current.Services[name]
		want := p.desired.spec(name, have.Spec)
		scaled := p.scaledByHand(name, want)
		if scaled != nil {
			p.warnings = append(p.warnings, fmt.Sprintf("service %s stays at %d replicas, as an operator scaled it; the recipe says %d", name, scaled.Replicas, scaled.Recipe))
		}
		if !ok {
			image := Field{Path: imagePath, New: p.mask.text(want.TaskTemplate.ContainerSpec.Image)}
			changes = append(changes, Change{Kind: "service", Name: name, Action: Create, Fields: []Field{image}, Restarts: true})
			continue
		}
		change := serviceChange(name, have.Spec, want, p.names, p.current.API, &p.mask)
		if p.desired.Restart[name] {
			change.restart(have.Spec)
		}
		change.Scaled = scaled
		p.interruption(&change, have.Spec, want)
		changes = append(changes, change)
	}
	return changes
}

const imagePath = "TaskTemplate.ContainerSpec.Image"

// serviceChange compares a stored spec with a wanted one. Tasks are replaced
// when swarm would find them different: by their template, by the ports and the
// mode of the endpoint, or by the service's mode. A job runs again after any
// write to it, even of a label (Engine 20.10).
func serviceChange(name string, have, want swarm.ServiceSpec, names Names, api string, mask *masker) Change {
	a, b := supported(canonical(have, names), api), supported(canonical(want, names), api)
	change := Change{Kind: "service", Name: name, Action: Keep, Fields: difference(flatten(a), flatten(b), mask)}
	if len(change.Fields) == 0 {
		return change
	}
	change.Action = Update
	change.Replace = modeName(a.Mode) != modeName(b.Mode)
	change.Restarts = change.Replace || isJob(want) || slices.ContainsFunc(change.Fields, func(f Field) bool {
		return strings.HasPrefix(f.Path, "TaskTemplate.") || strings.HasPrefix(f.Path, "EndpointSpec.")
	})
	return change
}

// restart makes of any change one that replaces the service's tasks.
func (c *Change) restart(have swarm.ServiceSpec) {
	if c.Restarts {
		return
	}
	n := have.TaskTemplate.ForceUpdate
	c.Action, c.Restarts = Update, true
	c.Fields = append(c.Fields, Field{Path: restartPath, Old: strconv.FormatUint(n, 10), New: strconv.FormatUint(n+1, 10)})
}

// restartPath is swarm's counter of restarts that were asked for.
const restartPath = "TaskTemplate.ForceUpdate"

func modeName(m swarm.ServiceMode) string {
	switch {
	case m.Global != nil:
		return "global"
	case m.ReplicatedJob != nil:
		return "replicated-job"
	case m.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}

func (p *planner) removals() []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(p.current.Services)) {
		if _, ok := p.desired.Stack.Services[name]; !ok {
			gone := Change{Kind: "service", Name: name, Action: Remove, Fields: []Field{}}
			gone.Downtime = gone.downtime(p.current.Services[name].Spec, swarm.ServiceSpec{})
			changes = append(changes, gone)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.current.Configs)) {
		if _, ok := p.desired.Stack.Configs[name]; !ok && !p.current.Configs[name].External {
			changes = append(changes, Change{Kind: "config", Name: name, Action: Keep, Fields: []Field{}})
		}
	}
	return changes
}

// deployOrder puts a service behind those it depends on, by name where nothing
// says otherwise. Services in a circle come last, by name.
func deployOrder(names []string, dependsOn map[string][]string) []string {
	slices.Sort(names)
	var order []string
	done := map[string]bool{}
	for len(order) < len(names) {
		next := slices.IndexFunc(names, func(name string) bool {
			return !done[name] && !slices.ContainsFunc(dependsOn[name], func(on string) bool {
				return on != name && !done[on] && slices.Contains(names, on)
			})
		})
		if next < 0 { // a circle: take the first by name
			next = slices.IndexFunc(names, func(name string) bool { return !done[name] })
		}
		done[names[next]] = true
		order = append(order, names[next])
	}
	return order
}

// counts are how many changes have each action.
func (p *Plan) counts() map[Action]int {
	counts := map[Action]int{}
	for _, c := range p.Changes {
		counts[c.Action]++
	}
	return counts
}
