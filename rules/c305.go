package rules

import "github.com/galley-coop/galley/lint"

var c305 = lint.Rule{
	ID: "C305", Name: "wide-capability",
	Summary:  "capabilities that reach beyond a service's own processes are few",
	Severity: lint.Info,
	Check: func(p *lint.Pass) {
		reportCapabilities(p, wideCapabilities, "which reaches beyond its own processes; expected it only where nothing narrower does")
	},
}

var wideCapabilities = map[string]string{
	"NET_ADMIN": "control of its networks and firewall rules", "SYS_PTRACE": "the memory of other processes", "SYS_TIME": "the host's clock",
	"SYSLOG": "the kernel's log and addresses", "SYS_RESOURCE": "a way past its limits", "SYS_TTY_CONFIG": "the host's terminals",
	"AUDIT_CONTROL": "control of the host's audit", "AUDIT_READ": "the host's audit log", "LINUX_IMMUTABLE": "files that nobody can change",
	"CHECKPOINT_RESTORE": "the state of other processes", "PERFMON": "the kernel's performance events", "SYS_PACCT": "the host's accounting",
}
