package rules

import "github.com/galley-coop/galley/lint"

var c313 = lint.Rule{
	ID: "C313", Name: "readable-host-path",
	Summary:  "services that read what the host keeps to itself are few",
	Severity: lint.Info,
	Check:    checkReadableHostPath,
}

func checkReadableHostPath(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachHostMount(service, func(m hostMount) {
			what := sensitive(m.source)
			if what == "" || !m.readOnly || harmlessToRead[m.source] || said.again(m.place()) {
				return
			}
			sockets := ""
			if m.source == "/" {
				sockets = ", the docker socket included"
			}
			p.Reportf(m.place(), "service %q can read %q, %s%s; expected the one file or folder that it needs", service.Name, m.written(), what, sockets)
		})
	}
}
