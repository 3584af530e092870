package rules

import "github.com/galley-coop/galley/lint"

var c314 = lint.Rule{
	ID: "C314", Name: "host-device",
	Summary:  "no service gets a disk or the memory of the host",
	Severity: lint.Warning,
	Check:    checkHostDevice,
}

func checkHostDevice(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		for _, item := range service.Node.Get("devices").Items() {
			path, node := devicePath(item)
			if what := diskOrMemory(path); what != "" && !said.again(node.Range()) {
				p.Reportf(node.Range(), "device %q gives service %q %s, and a swarm ignores devices; expected a tool on the host for what needs it",
					shorten(node.Text()), service.Name, what)
			}
		}
		eachHostMount(service, func(m hostMount) {
			if what := diskOrMemory(m.source); what != "" && !said.again(m.place()) {
				p.Reportf(m.place(), "device %q gives service %q %s; expected a tool on the host for what needs it", m.written(), service.Name, what)
			}
		})
	}
}
