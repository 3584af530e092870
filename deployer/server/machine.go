package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// machineSteps make a machine one that runs containers: the first half of a bootstrap
// and of a join.
func machineSteps() []step {
	return []step{
		{"machine", knowMachine},
		{"log rotation", setRotation},
		{"engine", installEngine},
		{"engine runs", startEngine},
		{"access", allowUser},
	}
}

// knowMachine reads what the machine is and whether the user may change it.
func knowMachine(ctx context.Context, w *work) (string, error) {
	if err := w.becomeRoot(ctx); err != nil {
		return "", err
	}
	out, err := w.read(ctx, "cat /etc/os-release; if [ -d /run/systemd/system ]; then echo GALLEY_INIT=systemd; fi")
	if err != nil {
		return "", err
	}
	release := parseRelease(out)
	if !isDebian(release) {
		err := fmt.Errorf("%s runs %q: galley installs the engine on Debian and Ubuntu, and what is made of them", w.machine, printable(release["PRETTY_NAME"]))
		return "", fault.Hint(err, "install Docker there by hand, docker swarm init, then galley server add")
	}
	w.systemd = release["GALLEY_INIT"] == "systemd"
	name := printable(release["PRETTY_NAME"])
	if w.user == "root" {
		return name, nil
	}
	return name + ", as " + w.user + " with sudo", nil
}

// parseRelease reads os-release(5).
func parseRelease(text string) map[string]string {
	release := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			release[key] = strings.Trim(value, `"'`)
		}
	}
	return release
}

func isDebian(release map[string]string) bool {
	family := append(strings.Fields(release["ID_LIKE"]), release["ID"])
	return slices.Contains(family, "debian") || slices.Contains(family, "ubuntu")
}

// becomeRoot finds out who the user is there, and whether sudo must be asked. Its first
// command is the one that is not run as root.
func (w *work) becomeRoot(ctx context.Context) error {
	who, err := w.read(ctx, "id -un")
	if err != nil {
		return err
	}
	w.user = strings.TrimSpace(who)
	if w.user == "root" {
		return nil
	}
	if !plain(w.user) || w.user == "" {
		return fmt.Errorf("the user on %s is named %q, which galley does not write into a command", w.machine, w.user)
	}
	w.sudo = true
	w.told(Command{Text: "sudo -n true", Reads: true})
	if _, err := w.run(ctx, script{text: "true", deadline: readTime}); err != nil {
		err := fmt.Errorf("%s is not root on %s, and sudo does not let it be: %w", w.user, w.machine, err)
		return fault.Hint(err, "log in as root, or let %s use sudo without a password", w.user)
	}
	return nil
}

// setRotation writes the engine's configuration before there is an engine, so that the
// first one starts with it; one that runs is restarted.
func setRotation(ctx context.Context, w *work) (string, error) {
	old, err := w.read(ctx, "if [ -e "+daemonFile+" ]; then cat "+daemonFile+"; fi")
	if err != nil {
		return "", err
	}
	merged, detail, err := mergeRotation([]byte(old))
	if err != nil {
		return "", err
	}
	running, containers, stale, err := w.engineNow(ctx)
	if err != nil {
		return "", err
	}
	if merged == nil && !stale {
		return detail, nil
	}
	if running && containers != "0" {
		if err := w.confirm(ctx, restartQuestion(w.machine, containers)); err != nil {
			return "", err
		}
	}
	kept, err := w.writeDaemonFile(ctx, merged)
	if err != nil || !running {
		return detail, err
	}
	return detail + "; the engine was restarted", w.restart(ctx, merged != nil, kept)
}

// engineNow tells whether an engine runs, with how many containers, and whether its
// configuration is newer than it is: one that it has not read.
func (w *work) engineNow(ctx context.Context) (running bool, containers string, stale bool, err error) {
	out, err := w.read(ctx, "if docker ps --quiet >/dev/null 2>&1; then docker ps --quiet | wc -l; "+
		"if [ -e /run/docker.pid ] && [ "+daemonFile+" -nt /run/docker.pid ]; then echo stale; fi; fi")
	return field(out, 0) != "", field(out, 0), field(out, 1) == "stale", err
}

func restartQuestion(m Machine, containers string) string {
	return fmt.Sprintf("The engine on %s must be restarted to read its configuration, and its %s running containers with it. Go on?", m, printable(containers))
}

// writeDaemonFile puts the engine's configuration in place, whole or not at all, and
// returns where what was there is kept; "" where there was none.
func (w *work) writeDaemonFile(ctx context.Context, data []byte) (kept string, err error) {
	if data == nil {
		return "", nil
	}
	const temp = daemonFile + ".galley"
	out, err := w.put(ctx, fmt.Sprintf("umask 022; mkdir -p /etc/docker && cat >%[1]s && [ $(wc -c <%[1]s) = %[2]d ] && "+
		"{ [ ! -e %[3]s ] || { kept=%[3]s.$(date -u +%%Y%%m%%dT%%H%%M%%SZ); chmod --reference=%[3]s %[1]s && cp -p %[3]s $kept && echo $kept; }; } && "+
		"sync %[1]s && mv %[1]s %[3]s", temp, len(data), daemonFile), data)
	return strings.TrimSpace(out), err
}

// restart restarts the engine and waits until it answers. With a configuration that it
// does not take, as when a flag of its service says the same, it is started again with
// the one before.
func (w *work) restart(ctx context.Context, written bool, kept string) error {
	command := "service docker restart"
	if w.systemd {
		command = "systemctl restart docker"
	}
	err := w.change(ctx, command, startTime)
	if err == nil {
		_, err = w.answers(ctx)
	}
	if err == nil || !written || ctx.Err() != nil {
		return err
	}
	before := "mv " + daemonFile + " " + daemonFile + ".refused; "
	if kept != "" {
		before += "cp -p " + quote(kept) + " " + daemonFile + "; "
	}
	if w.systemd {
		before += "systemctl reset-failed docker; "
	}
	if again := w.change(ctx, before+command, startTime); again != nil {
		return fmt.Errorf("%w; nor with the configuration before: %w", err, again)
	}
	err = fmt.Errorf("the engine did not start with the new configuration, and has the one before again: %w", err)
	return fault.Hint(err, "%s.refused is what it did not take; its log says why", daemonFile)
}

// answers waits until the engine answers, and returns its version.
func (w *work) answers(ctx context.Context) (string, error) {
	if w.dry {
		return "", nil
	}
	const wait = `i=0; until docker version --format '{{.Server.Version}}' 2>/dev/null; do i=$((i+1)); ` +
		`if [ $i -gt 60 ]; then docker version; exit 1; fi; sleep 1; done`
	w.told(Command{Text: wait, Reads: true})
	out, err := w.run(ctx, script{text: wait, deadline: startTime})
	if err != nil {
		return "", fault.Hint(fmt.Errorf("the engine does not answer: %w", err), "journalctl -u docker, or /var/log/docker.log, says why")
	}
	return lastLines(out), nil
}

// startEngine has the engine running, and started again with the machine.
func startEngine(ctx context.Context, w *work) (string, error) {
	enabled := true
	if w.systemd {
		var err error
		if _, enabled, err = w.look(ctx, "systemctl is-enabled docker"); err != nil {
			return "", err
		}
	}
	version, runs, err := w.look(ctx, "docker version --format '{{.Server.Version}}'")
	if err != nil {
		return "", err
	}
	if runs && enabled {
		return "Docker " + lastLines(version), nil
	}
	command := "service docker start"
	if w.systemd {
		command = "systemctl enable --now docker"
	}
	if err := w.change(ctx, command, startTime); err != nil {
		return "", fault.Hint(err, "journalctl -u docker, or /var/log/docker.log, says why")
	}
	version, err = w.answers(ctx)
	return "Docker " + version, err
}

// allowUser lets the user of the connection talk to the engine, as docker over ssh
// does it without sudo.
func allowUser(ctx context.Context, w *work) (string, error) {
	if w.user == "root" {
		return "root", nil
	}
	groups, err := w.read(ctx, "id -nG "+quote(w.user))
	if err != nil {
		return "", err
	}
	if slices.Contains(strings.Fields(groups), "docker") {
		return w.user + " is in the group docker", nil
	}
	return w.user + " is in the group docker, which is as good as root", w.change(ctx, "usermod -aG docker "+quote(w.user), changeTime)
}
