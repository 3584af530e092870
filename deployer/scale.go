package deployer

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// MaxReplicas is the most that a service is scaled to: a slip of the finger must
// not fill a swarm.
const MaxReplicas = 1000

// FromRecipe is what stands in place of a number to give it back to the recipe.
const FromRecipe = "recipe"

// ScaleTo is a number of replicas for one service.
type ScaleTo struct {
	Service  string
	Replicas uint64
	Recipe   bool // the recipe's number, whatever it is, not Replicas
}

// ParseScale reads SERVICE=N or SERVICE=recipe.
func ParseScale(text string) (ScaleTo, error) {
	service, number, ok := strings.Cut(text, "=")
	if !ok || service == "" {
		return ScaleTo{}, fault.New(fault.Usage, "%q is no scale; expected SERVICE=N or SERVICE=%s", text, FromRecipe)
	}
	if number == FromRecipe {
		return ScaleTo{Service: service, Recipe: true}, nil
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n > MaxReplicas {
		return ScaleTo{}, fault.New(fault.Usage, "%q is no number of replicas for %q; expected 0 to %d, or %q", number, service, MaxReplicas, FromRecipe)
	}
	return ScaleTo{Service: service, Replicas: n}, nil
}

// Unscale gives a service's number of replicas back to the recipe: the mark that
// deploys keep it by is taken away. The number comes from recipe, the wanted stack
// of the version that runs; without one (nil) it stays until the next deploy, and
// known is false. A service that nobody scaled is left as it is.
func (d *Desired) Unscale(service string, recipe *Desired) (known bool, err error) {
	name, err := d.service(service)
	if err != nil {
		return false, err
	}
	s := d.Stack.Services[name]
	if s.Spec.Labels[LabelScale] == "" {
		return true, nil
	}
	s.Spec.Labels = maps.Clone(s.Spec.Labels)
	delete(s.Spec.Labels, LabelScale)
	if recipe != nil {
		if theirs, ok := recipe.Stack.Services[name]; ok && modeName(theirs.Spec.Mode) == "replicated" {
			replicas := uint64(slotsOf(swarm.Service{Spec: theirs.Spec}))
			s.Spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}
			known = true
		}
	}
	d.Stack.Services[name] = s
	if d.unscaled == nil {
		d.unscaled = map[string]bool{}
	}
	d.unscaled[name] = true
	return known, nil
}

// RestartServices marks services for a restart, named in full or as the compose
// file calls them; none means all of them.
func (d *Desired) RestartServices(services []string) error {
	names := slices.Collect(maps.Keys(d.Stack.Services))
	if len(services) > 0 {
		names = nil
	}
	for _, service := range services {
		name, err := d.service(service)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	if d.Restart == nil {
		d.Restart = map[string]bool{}
	}
	for _, name := range names {
		d.Restart[name] = true
	}
	return nil
}
