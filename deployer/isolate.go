package deployer

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

// Isolate makes a wanted stack one that nobody outside meets, for a trial: it publishes no
// port, no proxy routes to it, and networks and volumes that others may use, too, are
// replaced by its own. A volume is then a local one of the node whatever its driver, and so
// is what stands in the place of a folder of the node that a service could write to. The
// answer is what volumes are called that had another name.
func (d *Desired) Isolate() (renamed map[string]string) {
	i := isolation{stack: d.Stack, networks: map[string]string{}, volumes: map[string]string{}, folders: map[string]string{}}
	i.ownNetworks()
	i.ownVolumes()
	for name, service := range d.Stack.Services {
		spec := copySpec(service.Spec)
		maps.DeleteFunc(spec.Labels, func(label, _ string) bool {
			return strings.HasPrefix(label, "traefik.") || strings.HasPrefix(label, "caddy")
		})
		if spec.EndpointSpec != nil {
			spec.EndpointSpec.Ports = nil
		}
		spec.TaskTemplate.Networks = slices.Clone(spec.TaskTemplate.Networks)
		for n, attached := range spec.TaskTemplate.Networks {
			if apart, ok := i.networks[attached.Target]; ok {
				spec.TaskTemplate.Networks[n].Target = apart
			}
		}
		i.mounts(spec.TaskTemplate.ContainerSpec)
		service.Spec = spec
		d.Stack.Services[name] = service
	}
	return i.volumes
}

// isolation is what a stack's objects are called instead, by their names; folders by their
// paths on the node.
type isolation struct {
	stack                      *Stack
	networks, volumes, folders map[string]string
}

func (i *isolation) labels() map[string]string {
	return map[string]string{NamespaceLabel: i.stack.Name}
}

func (i *isolation) ownNetworks() {
	for _, name := range sortedKeys(i.stack.Networks) {
		if n := i.stack.Networks[name]; n.External && name != "none" {
			own := i.stack.Name + "_apart" + strconv.Itoa(len(i.networks))
			i.networks[name] = own
			delete(i.stack.Networks, name)
			i.stack.Networks[own] = Network{Name: own, Options: network.CreateOptions{Driver: "overlay", Labels: i.labels()}}
		}
	}
}

func (i *isolation) ownVolumes() {
	for _, name := range sortedKeys(i.stack.Volumes) {
		own := name
		if i.stack.Volumes[name].External || !strings.HasPrefix(name, i.stack.Name+"_") {
			own = i.stack.Name + "_apart" + strconv.Itoa(len(i.volumes))
			i.volumes[name] = own
			delete(i.stack.Volumes, name)
		}
		i.stack.Volumes[own] = Volume{Name: own, Options: volume.CreateOptions{Name: own, Labels: i.labels()}}
	}
}

// mounts leads a service's mounts to the stack's own volumes.
func (i *isolation) mounts(container *swarm.ContainerSpec) {
	if container == nil {
		return
	}
	for n := range container.Mounts {
		m := &container.Mounts[n]
		switch {
		case m.Type == mount.TypeVolume && m.Source != "":
			if own, ok := i.volumes[m.Source]; ok {
				m.Source = own
			}
		case m.Type == mount.TypeBind && !m.ReadOnly:
			m.Type, m.Source, m.BindOptions = mount.TypeVolume, i.folder(m.Source), nil
		default:
			continue
		}
		if m.VolumeOptions == nil {
			m.VolumeOptions = &mount.VolumeOptions{}
		}
		m.VolumeOptions.Labels, m.VolumeOptions.DriverConfig = i.labels(), nil
	}
}

// folder is the volume in the place of a node's folder.
func (i *isolation) folder(path string) string {
	if own, ok := i.folders[path]; ok {
		return own
	}
	own := i.stack.Name + "_folder" + strconv.Itoa(len(i.folders))
	i.folders[path] = own
	i.stack.Volumes[own] = Volume{Name: own, Options: volume.CreateOptions{Name: own, Labels: i.labels()}}
	return own
}
