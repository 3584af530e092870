package deployer

import (
	"maps"
	"path"
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
// is what stands in the place of a folder of the node that a service could write to, or in
// which the engine's socket may lie. Without egress its networks have no way out: an app
// that sends mail by itself does not send it twice. The answer is what volumes are called
// that had another name.
func (d *Desired) Isolate(egress bool) (renamed map[string]string) {
	i := isolation{stack: d.Stack, egress: egress, networks: map[string]string{}, volumes: map[string]string{}, folders: map[string]string{}}
	i.ownNetworks()
	i.ownVolumes()
	for _, name := range sortedKeys(d.Stack.Services) {
		service := d.Stack.Services[name]
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
	egress                     bool
	networks, volumes, folders map[string]string
}

func (i *isolation) labels() map[string]string {
	return map[string]string{NamespaceLabel: i.stack.Name}
}

func (i *isolation) ownNetworks() {
	for _, name := range sortedKeys(i.stack.Networks) {
		n := i.stack.Networks[name]
		switch {
		case name == "none":
			continue
		case n.External:
			own := i.stack.Name + "_apart" + strconv.Itoa(len(i.networks))
			i.networks[name] = own
			delete(i.stack.Networks, name)
			n = Network{Name: own, Options: network.CreateOptions{Driver: defaultDriver, Labels: i.labels()}}
		}
		n.Options.Internal = n.Options.Internal || !i.egress
		i.stack.Networks[n.Name] = n
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
		case m.Type == mount.TypeBind && (!m.ReadOnly || leadsToEngine(m.Source)):
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

// leadsToEngine tells of a node's folder, or a socket, by which who may only read it can
// have the engine do anything.
func leadsToEngine(source string) bool {
	source = path.Clean(source)
	for _, dir := range []string{"/run", "/var/run"} {
		if source == dir || strings.HasPrefix(source, dir+"/") || strings.HasPrefix(dir, strings.TrimSuffix(source, "/")+"/") {
			return true
		}
	}
	return strings.HasSuffix(source, ".sock")
}

// folder is the volume in the place of a node's folder.
func (i *isolation) folder(source string) string {
	if own, ok := i.folders[source]; ok {
		return own
	}
	own := i.stack.Name + "_folder" + strconv.Itoa(len(i.folders))
	i.folders[source] = own
	i.stack.Volumes[own] = Volume{Name: own, Options: volume.CreateOptions{Name: own, Labels: i.labels()}}
	return own
}
