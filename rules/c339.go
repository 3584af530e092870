package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c339 = lint.Rule{
	ID: "C339", Name: "host-sysctl",
	Summary:  "sysctls are those that a container has for itself",
	Severity: lint.Error,
	Check:    checkHostSysctl,
}

func checkHostSysctl(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachSetting(service.Node.Get("sysctls"), func(s envSetting) {
			if s.name != "" && !strings.Contains(s.name, "$") && !ownSysctl(s.name) && !said.again(s.namePlace()) {
				p.Reportf(s.namePlace(), "sysctl %q of service %q is the whole host's, and the engine refuses to set it for a container; expected it in the host's /etc/sysctl.d", s.name, service.Name)
			}
		})
	}
}

// ownSysctl tells whether the kernel keeps a setting per namespace, as the
// container runtime has it.
func ownSysctl(name string) bool {
	if strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "fs.mqueue.") {
		return true
	}
	switch name {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced", "kernel.domainname", "kernel.hostname":
		return true
	}
	return false
}
