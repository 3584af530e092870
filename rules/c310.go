package rules

import "github.com/galley-coop/galley/lint"

var c310 = lint.Rule{
	ID: "C310", Name: "host-namespace",
	Summary:  "no service joins the host's user, UTS or cgroup namespace, or a cgroup of its choice",
	Severity: lint.Warning,
	Check:    checkHostNamespace,
}

func checkHostNamespace(p *lint.Pass) {
	reportHost(p, "userns_mode", "the host's users, where its root is root")
	reportHost(p, "uts", "the host's name, to change as it likes")
	reportHost(p, "cgroup", "the host's tree of cgroups")
	said := places{}
	for _, service := range p.Services() {
		parent := service.Node.Get("cgroup_parent")
		if parent.IsScalar() && parent.Text() != "" && !said.again(parent.Range()) {
			p.Reportf(parent.Range(), "cgroup_parent: %s puts service %q into a cgroup of the host with that one's limits, and a swarm ignores it; expected deploy.resources",
				shorten(parent.Text()), service.Name)
		}
	}
}
