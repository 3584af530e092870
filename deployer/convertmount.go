package deployer

import (
	"cmp"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
)

// mounts are a service's volumes and its tmpfs, by target.
func (c *converter) mounts(service string, s types.ServiceConfig) []mount.Mount {
	var mounts []mount.Mount
	for _, v := range s.Volumes {
		if m, ok := c.mount(service, v); ok {
			mounts = append(mounts, m)
		}
	}
	for _, entry := range s.Tmpfs {
		mounts = append(mounts, c.tmpfs(service, entry))
	}
	slices.SortStableFunc(mounts, func(a, b mount.Mount) int { return cmp.Compare(a.Target, b.Target) })
	for i := 1; i < len(mounts); i++ {
		if path.Clean(mounts[i].Target) == path.Clean(mounts[i-1].Target) {
			c.fail("", "service %q: two volumes are mounted at %q", service, mounts[i].Target)
		}
	}
	return mounts
}

func (c *converter) mount(service string, v types.ServiceVolumeConfig) (mount.Mount, bool) {
	m := mount.Mount{Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
	if v.Target == "" {
		c.fail("", "service %q: volume %q has no target", service, v.Source)
		return m, false
	}
	if v.Consistency != "" {
		c.warn("service %q: swarm ignores consistency of volume %q", service, v.Target)
	}
	switch m.Type {
	case mount.TypeVolume:
		return m, c.volumeMount(service, v, &m)
	case mount.TypeBind:
		return m, c.bindMount(service, v, &m)
	case mount.TypeTmpfs:
		if v.Source != "" {
			c.fail("", "service %q: tmpfs %q has a source", service, v.Target)
		}
		if t := v.Tmpfs; t != nil {
			m.TmpfsOptions = orNil(&mount.TmpfsOptions{SizeBytes: int64(t.Size), Mode: os.FileMode(t.Mode)})
		}
		return m, true
	case mount.TypeNamedPipe:
		return m, true
	}
	c.fail("", "service %q: volume %q has type %q; expected volume, bind, tmpfs or npipe", service, v.Target, v.Type)
	return m, false
}

// volumeMount mounts a named volume, or one without a name that lives with its
// task.
func (c *converter) volumeMount(service string, v types.ServiceVolumeConfig, m *mount.Mount) bool {
	options := &mount.VolumeOptions{}
	if v.Volume != nil {
		options.NoCopy, options.Subpath, options.Labels = v.Volume.NoCopy, v.Volume.Subpath, maps.Clone(map[string]string(v.Volume.Labels))
	}
	if v.Source == "" {
		m.VolumeOptions = orNil(options)
		return true
	}
	declared, ok := c.project.Volumes[v.Source]
	if !ok {
		c.fail("", "service %q: volume %q is not declared under volumes", service, v.Source)
		return false
	}
	external := bool(declared.External)
	m.Source = cmp.Or(declared.Name, c.full(v.Source))
	if external {
		m.Source = cmp.Or(declared.Name, v.Source)
	}
	m.VolumeOptions = options
	if !external {
		options.Labels = c.labels(declared.Labels)
		if v.Volume != nil {
			maps.Copy(options.Labels, v.Volume.Labels)
		}
		if declared.Driver != "" || len(declared.DriverOpts) > 0 {
			options.DriverConfig = &mount.Driver{Name: declared.Driver, Options: maps.Clone(map[string]string(declared.DriverOpts))}
		}
	}
	if c.use("volume", v.Source) && c.checkName("volume", v.Source, m.Source, volumeNames) {
		made := Volume{Name: m.Source, External: external}
		if !external {
			made.Options = volume.CreateOptions{
				Name: m.Source, Driver: declared.Driver, Labels: c.labels(declared.Labels),
				DriverOpts: maps.Clone(map[string]string(declared.DriverOpts)),
			}
		}
		c.out.Volumes[m.Source] = made
	}
	return true
}

// bindMount takes a path of the node alone: a relative one would be looked for
// beside the compose file, on the machine of whoever deploys.
func (c *converter) bindMount(service string, v types.ServiceVolumeConfig, m *mount.Mount) bool {
	windows := len(v.Source) > 2 && v.Source[1] == ':'
	if !path.IsAbs(v.Source) && !windows {
		c.fail("use a config for a file of the recipe, a volume for data, or an absolute path of the nodes",
			"service %q: bind mount %q is a relative path, and nodes do not have the recipe's files", service, v.Source)
		return false
	}
	if b := v.Bind; b != nil {
		m.BindOptions = orNil(&mount.BindOptions{Propagation: mount.Propagation(b.Propagation)})
		if b.Propagation != "" && !slices.Contains(mount.Propagations, mount.Propagation(b.Propagation)) {
			c.fail("", "service %q: propagation %q of %q is not known", service, b.Propagation, v.Source)
		}
		if b.SELinux != "" {
			c.warn("service %q: swarm ignores selinux of volume %q", service, v.Target)
		}
		if b.Recursive != "" {
			c.warn("service %q: swarm ignores recursive of volume %q", service, v.Target)
		}
	}
	return true
}

// tmpfs reads the short form: "/run:size=64m,mode=1777".
func (c *converter) tmpfs(service, entry string) mount.Mount {
	dir, rest, _ := strings.Cut(entry, ":")
	options := &mount.TmpfsOptions{}
	for _, option := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' }) {
		key, value, _ := strings.Cut(option, "=")
		var err error
		switch key {
		case "size":
			var size types.UnitBytes
			err = size.DecodeMapstructure(value)
			options.SizeBytes = int64(size)
		case "mode":
			var mode uint64
			mode, err = strconv.ParseUint(value, 8, 32)
			options.Mode = os.FileMode(mode)
		case "rw", "noexec", "nosuid", "nodev": // what a tmpfs of the engine is by itself
		default:
			c.warn("service %q: swarm ignores %s of tmpfs %q", service, option, dir)
		}
		if err != nil {
			c.fail("", "service %q: %s of tmpfs %q is not valid", service, option, dir)
		}
	}
	return mount.Mount{Type: mount.TypeTmpfs, Target: path.Clean(dir), TmpfsOptions: orNil(options)}
}
