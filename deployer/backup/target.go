package backup

import (
	"cmp"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// volumeOf is the volume that a part goes into: the one that the wanted stack has instead.
func (r *restoration) volumeOf(p *Part) string {
	m, to := r.Manifest, r.Desired
	name := Renamed(p.Volume, m.Stack, to.Stack.Name)
	if name == p.Volume { // a name of its own, which may be made of the domain
		name = strings.NewReplacer(m.Domain, to.Domain, m.Stack, to.Stack.Name).Replace(name)
	}
	return cmp.Or(r.Apart[name], name)
}

// refuseShared refuses to write what another app than the restored one has, too: the
// app that was backed up, at least.
func (r *restoration) refuseShared(volume string, stands bool) error {
	stack, domain := r.Desired.Stack.Name, r.Desired.Domain
	if stack == r.Manifest.Stack {
		return nil
	}
	if stands && !strings.HasPrefix(volume, stack+"_") {
		err := fault.New(fault.Unavailable, "volume %q is there and not of %s alone: the restore would write over what others have in it", volume, domain)
		return fault.Hint(err, "it is external, or has a name: of its own; galley app restore into %s itself writes it", r.Manifest.Domain)
	}
	options := r.Desired.Stack.Volumes[volume].Options.DriverOpts
	if len(options) == 0 || options["type"] == "tmpfs" {
		return nil
	}
	for _, value := range options {
		if strings.Contains(value, domain) || strings.Contains(value, stack) {
			return nil
		}
	}
	err := fault.New(fault.Unavailable, "volume %q is at a place that %s has, too: the restore would write over its data", volume, r.Manifest.Domain)
	return fault.Hint(err, "its driver options in the recipe do not go by the domain")
}

// Renamed is the name that something of one stack has in another.
func Renamed(name, from, to string) string {
	if rest, own := strings.CutPrefix(name, from+"_"); own {
		return to + "_" + rest
	}
	return name
}
