package rules

import (
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c301 = lint.Rule{
	ID: "C301", Name: "docker-socket",
	Summary:  "no service mounts the docker socket, except a proxy in front of it",
	Severity: lint.Warning,
	Check:    checkDockerSocket,
}

// checkDockerSocket makes no difference between writable and read-only mounts:
// read-only is the file, not what is said over it.
func checkDockerSocket(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		if socketProxy(service.Node.Get("image").Text()) {
			continue
		}
		eachHostMount(service, func(m hostMount) {
			what := "the docker socket " + quote(m.written())
			switch {
			case path.Base(m.source) == "docker.sock", m.source == "" && path.Base(m.target) == "docker.sock":
			case m.source == "/run", m.source == "/var/run":
				what = quote(m.written()) + ", and the docker socket in it"
			default:
				return
			}
			if said.again(m.place()) {
				return
			}
			readOnly := ""
			if m.readOnly {
				readOnly = "; read-only does not limit what is asked of it"
			}
			p.Reportf(m.place(), "service %q mounts %s: whoever takes it over has the host, and from a manager the swarm%s; expected a socket proxy in between",
				service.Name, what, readOnly)
		})
	}
}

// socketProxy tells whether an image is made to stand in front of the socket.
func socketProxy(image string) bool {
	return strings.Contains(image, "socket-proxy") || strings.Contains(image, "socketproxy")
}
