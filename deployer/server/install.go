package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// apt are apt-get's options: nobody is asked, somebody else's apt-get is waited for,
// dpkg ends with apt-get, and configuration that was changed by hand stays.
const apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "

// installEngine installs the distribution's engine, and only what it needs. Another
// one that is there, of its maker's packages or without any, stays.
func installEngine(ctx context.Context, w *work) (string, error) {
	broken, err := w.read(ctx, "dpkg --audit")
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(broken) != "" { // an installation was interrupted
		repair := "DEBIAN_FRONTEND=noninteractive dpkg --configure -a || " + apt + "--fix-broken install -y"
		if err := w.change(ctx, repair, installTime); err != nil {
			return "", err
		}
	}
	have, err := w.packages(ctx)
	if err != nil {
		return "", err
	}
	if version, ok := have.engine(); ok && len(have.missing()) == 0 {
		return version, nil
	}
	missing := strings.Join(have.missing(), " ")
	if err := w.change(ctx, apt+"update", updateTime); err != nil {
		return "", fault.Hint(err, "can that machine reach the mirrors in /etc/apt?")
	}
	// From Debian 13 on docker's client is a package of its own.
	install := apt + "install -y --no-install-recommends " + missing + " $(apt-cache pkgnames docker-cli | grep -x docker-cli)"
	if err := w.change(ctx, install, installTime); err != nil {
		return "", err
	}
	return "installed " + missing, nil
}

// inventory is what a machine has of what an engine needs.
type inventory struct {
	packages map[string]string // version by name, of those that are installed
	programs string            // where dockerd and docker are
	apparmor bool              // the kernel enforces profiles, so the engine must load one
}

func (w *work) packages(ctx context.Context) (inventory, error) {
	const names = "docker.io docker-ce docker-cli docker-ce-cli iptables ca-certificates apparmor"
	out, _, err := w.look(ctx, "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' "+names+" 2>/dev/null; command -v dockerd; command -v docker; "+
		"if [ -d /sys/kernel/security/apparmor ]; then echo apparmor; fi")
	if err != nil {
		return inventory{}, err
	}
	return parseInventory(out), nil
}

func parseInventory(out string) inventory {
	have := inventory{packages: map[string]string{}}
	for line := range strings.Lines(out) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "/"):
			have.programs += " " + line
		case line == "apparmor":
			have.apparmor = true
		case field(line, 0) == "installed":
			have.packages[field(line, 1)] = field(line, 2)
		}
	}
	return have
}

// engine names the engine that is there.
func (i inventory) engine() (string, bool) {
	for _, name := range []string{"docker.io", "docker-ce"} {
		if version, ok := i.packages[name]; ok {
			return name + " " + version, true
		}
	}
	for program := range strings.FieldsSeq(i.programs) {
		if strings.HasSuffix(program, "/dockerd") {
			return fmt.Sprintf("%s, of no package", program), true
		}
	}
	return "", false
}

// missing are the packages to install. Somebody else's engine is theirs to complete,
// but for the client, which the connection goes through.
func (i inventory) missing() []string {
	_, any := i.engine()
	_, ours := i.packages["docker.io"]
	if any && !ours {
		return nil
	}
	wanted := []string{"docker.io", "iptables", "ca-certificates"}
	if i.apparmor {
		wanted = append(wanted, "apparmor")
	}
	var missing []string
	for _, name := range wanted {
		if _, ok := i.packages[name]; !ok {
			missing = append(missing, name)
		}
	}
	if ours && !strings.Contains(i.programs+" ", "/docker ") {
		missing = append(missing, "docker-cli")
	}
	return missing
}
