package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c315 = lint.Rule{
	ID: "C315", Name: "confinement-off",
	Summary:  "seccomp, AppArmor and SELinux stay on",
	Severity: lint.Warning,
	Check:    checkConfinement,
}

func checkConfinement(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		for _, item := range service.Node.Get("security_opt").Items() {
			if unconfined(item.Text()) && !said.again(item.Range()) {
				p.Reportf(item.Range(), "security_opt %q switches a guard of service %q off on a single host, and a swarm ignores it; expected the engine's own profile",
					item.Text(), service.Name)
			}
		}
	}
}

// unconfined tells whether an item of security_opt takes protection away. Old
// files write ":" for "=".
func unconfined(option string) bool {
	switch strings.Replace(strings.ToLower(option), ":", "=", 1) {
	case "seccomp=unconfined", "apparmor=unconfined", "label=disable", "systempaths=unconfined", "no-new-privileges=false":
		return true
	}
	return false
}
