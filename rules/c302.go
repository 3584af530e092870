package rules

import (
	"path"

	"github.com/galley-coop/galley/lint"
)

var c302 = lint.Rule{
	ID: "C302", Name: "runtime-socket",
	Summary:  "no service mounts the socket of a container runtime below docker or beside it",
	Severity: lint.Warning,
	Check:    checkRuntimeSocket,
}

// runtimeSockets are the sockets of container runtimes other than docker's, and
// the folders that they stand in.
var runtimeSockets = map[string]string{
	"containerd.sock": "containerd", "crio.sock": "CRI-O", "podman.sock": "Podman", "buildkitd.sock": "BuildKit", "cri-dockerd.sock": "cri-dockerd",
	"containerd": "containerd", "crio": "CRI-O", "podman": "Podman",
}

func checkRuntimeSocket(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachHostMount(service, func(m hostMount) {
			base, dir := path.Base(m.source), path.Dir(m.source)
			runtime := runtimeSockets[base]
			if runtime == "" || path.Ext(base) == "" && dir != "/run" && dir != "/var/run" || said.again(m.place()) {
				return
			}
			p.Reportf(m.place(), "service %q mounts %q, the socket of %s: whoever takes it over starts what they like on the host; expected no socket of a runtime",
				service.Name, m.written(), runtime)
		})
	}
}
