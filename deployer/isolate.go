package deployer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// Isolate makes a wanted stack one that nobody outside meets, for a trial: it publishes no
// port, no proxy routes to it, and the networks of others are networks of its own.
func (d *Desired) Isolate() {
	own := map[string]string{}
	for _, name := range sortedKeys(d.Stack.Networks) {
		if n := d.Stack.Networks[name]; n.External && name != "none" {
			own[name] = d.Stack.Name + "_apart" + strconv.Itoa(len(own))
			delete(d.Stack.Networks, name)
			d.Stack.Networks[own[name]] = Network{Name: own[name], Options: network.CreateOptions{
				Driver: "overlay", Labels: map[string]string{NamespaceLabel: d.Stack.Name},
			}}
		}
	}
	for name, service := range d.Stack.Services {
		spec := copySpec(service.Spec)
		for label := range spec.Labels {
			if strings.HasPrefix(label, "traefik.") || strings.HasPrefix(label, "caddy") {
				delete(spec.Labels, label)
			}
		}
		if spec.EndpointSpec != nil {
			spec.EndpointSpec.Ports = nil
		}
		spec.TaskTemplate.Networks = slices.Clone(spec.TaskTemplate.Networks)
		for i, n := range spec.TaskTemplate.Networks {
			if apart, ok := own[n.Target]; ok {
				spec.TaskTemplate.Networks[i].Target = apart
			}
		}
		service.Spec = spec
		d.Stack.Services[name] = service
	}
}
