package rules

import (
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c312 = lint.Rule{
	ID: "C312", Name: "writable-host-path",
	Summary:  "no service can write to the parts of the host that run it",
	Severity: lint.Warning,
	Check:    checkWritableHostPath,
}

func checkWritableHostPath(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachHostMount(service, func(m hostMount) {
			what := sensitive(m.source)
			if what == "" || m.readOnly || said.again(m.place()) {
				return
			}
			p.Reportf(m.place(), "service %q can write to %q, %s; expected a named volume, or :ro where it only reads", service.Name, m.written(), what)
		})
	}
	for _, d := range p.Recipe.Documents() {
		for name, volume := range d.Lookup("volumes").Pairs() {
			device := volume.Get("driver_opts", "device")
			source := fallback(device.Text())
			if !strings.HasPrefix(source, "/") || !strings.Contains(volume.Get("driver_opts", "o").Text(), "bind") || said.again(device.Range()) {
				continue
			}
			if what := sensitive(path.Clean(source)); what != "" {
				p.Reportf(device.Range(), "volume %q is the folder %q of the host, %s; expected a volume of its own", name, shorten(device.Text()), what)
			}
		}
	}
}
