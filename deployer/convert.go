package deployer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// source reads the files that a compose file names: the recipe's own, and no
// others. *recipe.Recipe is one.
type source interface {
	ReadFile(name string) ([]byte, error)
}

// converter turns a merged compose model into swarm's objects. It goes on after
// a problem, so that all of them are told at once.
type converter struct {
	project *types.Project
	stack   string
	files   source
	env     map[string]string

	out       *Stack
	dependsOn map[string][]string
	derived   []string                   // full names of configs that the compose file does not name
	used      map[string]map[string]bool // kind → compose keys that services use
	warnings  []string
	problems  []string
	hints     []string
}

// conversion is what a converter made.
type conversion struct {
	stack     *Stack
	dependsOn map[string][]string
	derived   []string
	warnings  []string
}

// convert makes the swarm objects of a compose model as `docker stack deploy`
// names and fills them. What swarm ignores is in the warnings; what cannot be
// honoured safely is an error, with everything else that is wrong.
//
// Objects that no service uses are left out, and said so: docker makes them too,
// but an unused config only waits to be in the way of its next version.
func convert(project *types.Project, stack string, env map[string]string, files source) (*conversion, error) {
	c := &converter{
		project: project, stack: stack, files: files, env: env,
		out: &Stack{
			Name: stack, Services: map[string]Service{}, Networks: map[string]Network{},
			Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: map[string]Volume{},
		},
		dependsOn: map[string][]string{},
		used:      map[string]map[string]bool{},
	}
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		c.service(name, project.Services[name])
	}
	if len(project.Services) == 0 {
		c.fail("", "there is no service to deploy")
	}
	c.unused()
	slices.Sort(c.warnings)
	if err := c.err(); err != nil {
		return nil, err
	}
	return &conversion{stack: c.out, dependsOn: c.dependsOn, derived: c.derived, warnings: slices.Compact(c.warnings)}, nil
}

func (c *converter) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// fail records a problem, with the next step or "".
func (c *converter) fail(hint, format string, args ...any) {
	if problem := fmt.Sprintf(format, args...); !slices.Contains(c.problems, problem) {
		c.problems = append(c.problems, problem)
	}
	if hint != "" && !slices.Contains(c.hints, hint) {
		c.hints = append(c.hints, hint)
	}
}

func (c *converter) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	err := fault.New(fault.Unavailable, "%s", strings.Join(c.problems, "; "))
	if len(c.hints) == 0 {
		return err
	}
	return fault.Hint(err, "%s", strings.Join(c.hints, "; "))
}

// full is the name that a key of the compose file has on the swarm.
func (c *converter) full(key string) string { return c.stack + "_" + key }

// use remembers that a service uses the object, and says whether this was the
// first time.
func (c *converter) use(kind, key string) bool {
	if c.used[kind] == nil {
		c.used[kind] = map[string]bool{}
	}
	first := !c.used[kind][key]
	c.used[kind][key] = true
	return first
}

// unused reports what is declared and left out.
func (c *converter) unused() {
	report := func(kind string, keys []string) {
		for _, key := range keys {
			if !c.used[kind][key] && !(kind == "network" && key == "default") {
				c.warn("%s %q: no service uses it, so it is left out", kind, key)
			}
		}
	}
	report("network", slices.Collect(maps.Keys(c.project.Networks)))
	report("volume", slices.Collect(maps.Keys(c.project.Volumes)))
	report("config", slices.Collect(maps.Keys(c.project.Configs)))
	report("secret", slices.Collect(maps.Keys(c.project.Secrets)))
	if len(c.project.Jobs) > 0 {
		c.warn("swarm ignores jobs")
	}
	if len(c.project.Models) > 0 {
		c.warn("swarm ignores models")
	}
	for _, name := range slices.Sorted(maps.Keys(c.project.DisabledServices)) {
		c.warn("service %q: has profiles, which swarm does not know, so it is left out", name)
	}
}

// labels are the object's own with the stack's.
func (c *converter) labels(own map[string]string) map[string]string {
	labels := maps.Clone(own)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[NamespaceLabel] = c.stack
	return labels
}

func (c *converter) service(name string, s types.ServiceConfig) {
	full := c.full(name)
	c.checkName("service", name, full, serviceNames)
	c.ignored(name, s)
	deploy := types.DeployConfig{}
	if s.Deploy != nil {
		deploy = *s.Deploy
	}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: full, Labels: c.labels(deploy.Labels)},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: c.container(name, s),
			Resources:     c.resources(name, deploy.Resources),
			RestartPolicy: c.restartPolicy(name, s, deploy.RestartPolicy),
			Placement:     c.placement(deploy.Placement),
			Networks:      c.serviceNetworks(name, s),
			LogDriver:     logDriver(s.Logging),
		},
		Mode:           c.mode(name, deploy),
		UpdateConfig:   c.updateConfig(name, "update_config", deploy.UpdateConfig),
		RollbackConfig: c.updateConfig(name, "rollback_config", deploy.RollbackConfig),
		EndpointSpec:   c.endpoint(name, s, deploy),
	}
	spec.Labels[LabelImage] = s.Image
	for _, key := range slices.Sorted(maps.Keys(deploy.Labels)) {
		if strings.Contains(key, "${") {
			c.warn("service %q: label %q is not expanded, because keys never are; write it as a list item", name, key)
		}
	}
	if job := spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil; job && spec.UpdateConfig != nil {
		c.fail("leave update_config out", "service %q: swarm has no update_config for mode %s", name, deploy.Mode)
	}
	if s.Image == "" {
		c.fail("", "service %q: no image; swarm builds none", name)
	}
	c.out.Services[full] = Service{Spec: spec}
	for _, on := range slices.Sorted(maps.Keys(s.DependsOn)) {
		c.dependsOn[full] = append(c.dependsOn[full], c.full(on))
	}
}

func logDriver(l *types.LoggingConfig) *swarm.Driver {
	if l == nil {
		return nil
	}
	return &swarm.Driver{Name: l.Driver, Options: maps.Clone(map[string]string(l.Options))}
}

var _ source = (*recipe.Recipe)(nil)
