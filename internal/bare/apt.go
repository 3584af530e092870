package bare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// toolTimeout bounds one use of a tool that only looks or makes something small.
const toolTimeout = 30 * time.Second

// run runs a tool and returns what it printed; an error has its complaints.
func run(ctx context.Context, within time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 2 * time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(string(exit.Stderr), 5))
	}
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", name, err)
	}
	return string(out), nil
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// aptSource is where the host gets the packages of its own release.
type aptSource struct {
	suite, codename string // "debian", "bookworm"
	mirror          string // of the release itself
	list            string // sources.list, with its updates
	config          string // apt.conf
	proxy           string // of apt itself, "" for none
}

// hostSource reads it from the host's apt, which knows every form that it may have.
func hostSource(ctx context.Context) (aptSource, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return aptSource{}, err
	}
	s := aptSource{suite: value(string(release), "ID"), codename: value(string(release), "VERSION_CODENAME")}
	targets, err := run(ctx, toolTimeout, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
	if err != nil {
		return aptSource{}, err
	}
	s.mirror, s.list = parseTargets(targets, s.codename)
	if s.codename == "" || s.mirror == "" {
		return aptSource{}, fmt.Errorf("the apt of this machine names no mirror of its release %q", s.codename)
	}
	dump, err := run(ctx, toolTimeout, "apt-config", "dump")
	if err != nil {
		return aptSource{}, err
	}
	s.config, s.proxy = parseConfig(dump)
	return s, nil
}

// value reads a variable of a file like os-release(5).
func value(text, name string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}

// parseTargets reads lines of mirror, suite and component, and makes a sources.list of
// those of a release: its own, its updates and its security updates.
func parseTargets(targets, codename string) (mirror, list string) {
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "main" && f[2] != "universe" || f[1] != codename && !strings.HasPrefix(f[1], codename+"-") {
			continue
		}
		if f[1] == codename && mirror == "" {
			mirror = f[0]
		}
		list += fmt.Sprintf("deb %s %s %s\n", f[0], f[1], f[2])
	}
	return mirror, list
}

// carried are the settings of the host's apt that a machine behind the same mirrors
// needs, too.
var carried = []string{"Acquire::Check-", "Acquire::AllowInsecureRepositories ", "Acquire::Retries "}

// parseConfig reads what apt-config dump prints.
func parseConfig(dump string) (config, proxy string) {
	for line := range strings.Lines(dump) {
		if rest, ok := strings.CutPrefix(line, "Acquire::http::Proxy "); ok {
			proxy = strings.Trim(strings.TrimSpace(rest), `";`)
		}
		for _, prefix := range carried {
			if strings.HasPrefix(line, prefix) {
				config += line
			}
		}
	}
	if proxy == "DIRECT" || proxy == "false" {
		proxy = ""
	}
	return config, proxy
}
