package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c304 = lint.Rule{
	ID: "C304", Name: "host-capability",
	Summary:  "no service gets a capability that is as good as being root on the host",
	Severity: lint.Warning,
	Check: func(p *lint.Pass) {
		reportCapabilities(p, hostCapabilities, "which is as good as root on the host; expected narrower ones")
	},
}

// hostCapabilities lead out of a container, with what each one allows.
var hostCapabilities = map[string]string{
	"ALL": "everything", "SYS_ADMIN": "mounting and most of what root may", "SYS_MODULE": "loading kernel modules",
	"SYS_RAWIO": "raw access to memory and disks", "DAC_READ_SEARCH": "reading every file of the host", "SYS_BOOT": "rebooting the host",
	"BPF": "programs in the kernel", "MAC_ADMIN": "switching AppArmor and SELinux off", "MAC_OVERRIDE": "ignoring AppArmor and SELinux",
}

// reportCapabilities reports the items of cap_add that are known.
func reportCapabilities(p *lint.Pass, known map[string]string, verdict string) {
	said := places{}
	for _, service := range p.Services() {
		for _, item := range service.Node.Get("cap_add").Items() {
			name := strings.TrimPrefix(strings.ToUpper(fallback(item.Text())), "CAP_")
			if allows := known[name]; allows != "" && !said.again(item.Range()) {
				p.Reportf(item.Range(), "capability %q gives service %q %s, %s", shorten(item.Text()), service.Name, allows, verdict)
			}
		}
	}
}
