package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// deployMount is one mount of a service, of the short or the long form.
type deployMount struct {
	kind           string // "bind", "volume", or what the file says; "" when a variable decides
	source, target string
	readOnly       bool
	at             recipe.Range // of the source
}

// mounts are the service's mounts; one target has one, that of the file merged
// last.
func (s deployService) mounts() []deployMount {
	var found []deployMount
	taken := map[string]bool{}
	for _, list := range s.all("volumes") {
		for _, item := range list.Items() {
			m := readDeployMount(item)
			if m.target == "" || taken[m.target] {
				continue
			}
			taken[m.target] = true
			found = append(found, m)
		}
	}
	return found
}

func readDeployMount(item recipe.Node) deployMount {
	if item.IsMap() {
		source := item.Get("source")
		text, known := deployText(source)
		m := deployMount{kind: item.Get("type").Text(), source: text, at: place(source)}
		m.target, _ = deployText(item.Get("target"))
		m.readOnly = item.Get("read_only").Text() == "true"
		if !known && source.Exists() && m.kind != "bind" {
			m.kind = ""
		}
		return m
	}
	if !item.IsString() {
		return deployMount{}
	}
	x := values{}.expand(item.Text())
	parts := strings.Split(x.text, ":")
	if len(parts) < 2 {
		return deployMount{kind: "volume", target: x.text}
	}
	m := deployMount{source: parts[0], target: parts[1]}
	m.readOnly = len(parts) > 2 && slices.Contains(strings.Split(parts[2], ","), "ro")
	m.at = firstLine(item)
	if from, to, ok := x.source(0, len(m.source)); ok {
		m.at = item.Sub(from, to)
	}
	switch {
	case strings.HasPrefix(m.source, "/"), strings.HasPrefix(m.source, "."), strings.HasPrefix(m.source, "~"):
		m.kind = "bind"
	case len(m.source) == 1: // a drive letter
	case !x.guessed():
		m.kind = "volume"
	}
	return m
}

// localVolume tells whether a volume is a folder on one node: of the local
// driver, without options that fetch it from elsewhere, and not made by hand.
func (s *deployStack) localVolume(name string) bool {
	definition, found := recipe.Node{}, false
	for _, d := range s.files {
		if n := d.Lookup("volumes", name); n.Exists() {
			definition, found = n, true
			break
		}
	}
	if !found || definition.Get("external").Exists() || definition.Get("driver_opts").Exists() {
		return false
	}
	driver := definition.Get("driver")
	return !driver.Exists() || driver.Text() == "" || driver.Text() == "local"
}

// onEveryNode are paths that are the same thing on every node.
var onEveryNode = []string{
	"/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/tmp", "/var/tmp", "/lib/modules", "/usr/src", "/usr/lib/modules",
	"/etc/localtime", "/etc/timezone", "/etc/hostname", "/etc/hosts", "/etc/machine-id", "/etc/os-release",
	"/etc/passwd", "/etc/group", "/etc/resolv.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share",
	"/usr/local/share/ca-certificates", "/etc/docker", "/var/lib/docker", "/var/log", "/lib", "/usr/lib", "/cgroup", "/etc/udev",
}

// rootFolders are on every node too, whatever is in them.
var rootFolders = []string{"/etc", "/home", "/root", "/usr", "/var", "/var/lib", "/opt", "/srv", "/bin", "/sbin"}

// sharedPathWords are words in paths that tell of storage which nodes share.
var sharedPathWords = []string{"mnt", "nfs", "gluster", "ceph", "shared", "efs", "media", "cluster"}

// nodeBound tells whether a bind mount needs a file or folder of one node.
// Relative paths, which no node has, are S263's.
func (m deployMount) nodeBound() bool {
	source := strings.TrimRight(m.source, "/")
	if m.kind != "bind" || !strings.HasPrefix(source, "/") || strings.Contains(source, "docker.sock") {
		return false
	}
	if slices.Contains(rootFolders, source) {
		return false
	}
	for _, path := range onEveryNode {
		if source == path || strings.HasPrefix(source, path+"/") {
			return false
		}
	}
	return !slices.ContainsFunc(strings.Split(strings.ToLower(source), "/"), func(part string) bool {
		return slices.ContainsFunc(sharedPathWords, func(word string) bool { return strings.Contains(part, word) })
	})
}
