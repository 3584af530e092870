package server

import (
	"fmt"
	"slices"
	"strings"
)

// unlimitedDriver is the engine's default log driver, whose files grow for ever unless
// it is told otherwise.
const unlimitedDriver = "json-file"

// checkLogs tells whether containers' logs are kept from filling the disk.
func checkLogs(s *Survey) []Finding {
	var found []Finding
	for _, l := range s.answering() {
		found = append(found, checkLog(l))
	}
	return found
}

func checkLog(l *Look) Finding {
	const hint = `set "log-opts": {"max-size": "10m", "max-file": "3"} in /etc/docker/daemon.json and restart the engine (galley server bootstrap does both); containers made before stay as they are`
	driver := l.Info.LoggingDriver
	if driver != unlimitedDriver {
		return Finding{"logs", OK, l.Host(), fmt.Sprintf("the log driver is %q", driver), ""}
	}
	switch {
	case l.Facts == nil:
		return Finding{"logs", NotKnown, l.Host(), fmt.Sprintf("whether the logs of the driver %q are limited: %s", driver, l.FactsErr), "on that node: grep max-size /etc/docker/daemon.json"}
	case l.Facts.DaemonErr != nil:
		return Finding{"logs", NotKnown, l.Host(), "whether the logs are limited: " + l.Facts.DaemonErr.Error(), "on that node: grep max-size /etc/docker/daemon.json"}
	}
	if limit := l.Facts.maxSize(); limit != "" {
		return Finding{"logs", OK, l.Host(), fmt.Sprintf("logs are rotated at %s", limit), ""}
	}
	return Finding{"logs", Warning, l.Host(), fmt.Sprintf("logs of the driver %q grow without a limit", driver), hint}
}

// maxSize is at what size logs are rotated, by daemon.json or the engine's arguments; ""
// for never.
func (f *Facts) maxSize() string {
	if limit := f.Daemon.LogOpts["max-size"]; limit != "" {
		return limit
	}
	for i, arg := range f.Flags {
		value, ok := strings.CutPrefix(arg, "--log-opt=")
		if arg == "--log-opt" && i+1 < len(f.Flags) {
			value, ok = f.Flags[i+1], true
		}
		if limit, is := strings.CutPrefix(value, "max-size="); ok && is {
			return limit
		}
	}
	return ""
}

// checkDaemon tells of settings of the engine that a swarm does not bear, or that are
// not for a server.
func checkDaemon(s *Survey) []Finding {
	var found []Finding
	for _, l := range s.answering() {
		if more := checkSettings(l); len(more) > 0 {
			found = append(found, more...)
			continue
		}
		found = append(found, Finding{"settings", OK, l.Host(), "nothing in the engine's settings is in a swarm's way", ""})
	}
	return found
}

func checkSettings(l *Look) []Finding {
	var found []Finding
	const restore = `take "live-restore" out of /etc/docker/daemon.json`
	switch {
	case l.Info.LiveRestoreEnabled:
		found = append(found, Finding{"settings", Failed, l.Host(), "live-restore is on, which a swarm refuses", restore})
	case l.Facts != nil && l.Facts.Daemon.LiveRestore:
		found = append(found, Finding{"settings", Failed, l.Host(), "live-restore is on in /etc/docker/daemon.json: a swarm's engine does not start with it again", restore})
	}
	if insecure := insecureRegistries(l); len(insecure) > 0 {
		found = append(found, Finding{"settings", Warning, l.Host(), "images come unencrypted and unproven from " + strings.Join(insecure, ", "),
			`take them out of "insecure-registries" in /etc/docker/daemon.json, unless they are on this machine's own network`})
	}
	if l.Info.ExperimentalBuild {
		found = append(found, Finding{"settings", Warning, l.Host(), "the engine's experimental features are on", `take "experimental" out of /etc/docker/daemon.json`})
	}
	return found
}

// insecureRegistries are those that somebody configured: the loopback always is among
// the engine's.
func insecureRegistries(l *Look) []string {
	c := l.Info.RegistryConfig
	if c == nil {
		return nil
	}
	var all []string
	for name, index := range c.IndexConfigs {
		if index != nil && !index.Secure {
			all = append(all, name)
		}
	}
	for _, cidr := range c.InsecureRegistryCIDRs {
		if text := cidr.String(); text != "127.0.0.0/8" && text != "::1/128" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}
