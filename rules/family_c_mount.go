package rules

import (
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// hostMount is a path of the host that a service mounts, in either form.
type hostMount struct {
	source   string // absolute and clean, "" when only the operator knows it
	target   string
	readOnly bool

	node    recipe.Node // the short form's item, or the long form's source
	reading expansion
	to      int // the source is the bytes [0, to) of the reading
}

// place is where the source stands.
func (m hostMount) place() recipe.Range {
	from, to, ok := m.reading.source(0, m.to)
	if !ok {
		return firstLine(m.node)
	}
	return m.node.Sub(from, to)
}

// written is the source as the file has it.
func (m hostMount) written() string {
	from, to, ok := m.reading.source(0, m.to)
	if !ok {
		return shorten(m.node.Text())
	}
	return shorten(m.node.Text()[from:to])
}

// eachHostMount calls use for every absolute path that a service mounts, and for
// sources that only a variable gives.
func eachHostMount(service lint.Service, use func(hostMount)) {
	for _, item := range service.Node.Get("volumes").Items() {
		switch {
		case item.IsMap():
			mappedMount(item, use)
		case item.IsString():
			textMount(item, use)
		}
	}
}

func mappedMount(item recipe.Node, use func(hostMount)) {
	source := item.Get("source")
	if item.Get("type").Text() != "bind" || !source.IsString() {
		return
	}
	m := hostMount{node: source, reading: values{}.expand(source.Text())}
	m.to, m.target = len(m.reading.text), fallback(item.Get("target").Text())
	m.readOnly = truthy(fallback(item.Get("read_only").Text()))
	m.finish(m.reading.text, use)
}

func textMount(item recipe.Node, use func(hostMount)) {
	text := item.Text()
	if text == "" || text[0] != '/' && text[0] != '~' && text[0] != '$' {
		return // a named volume, or a path beside the file
	}
	m := hostMount{node: item, reading: values{}.expand(text)}
	source, rest, ok := strings.Cut(m.reading.text, ":")
	if !ok {
		return // an anonymous volume
	}
	m.to = len(source)
	target, options, _ := strings.Cut(rest, ":")
	m.target = target
	for option := range strings.SplitSeq(options, ",") {
		m.readOnly = m.readOnly || option == "ro"
	}
	m.finish(source, use)
}

func (m hostMount) finish(source string, use func(hostMount)) {
	switch {
	case strings.HasPrefix(source, "/"), strings.HasPrefix(source, "~"):
		m.source = path.Clean(source)
	case !m.reading.guessed() || m.to == 0:
		return
	}
	use(m)
}

// sensitive says what of the host a mounted path gives away, "" when it is a
// folder like any other.
func sensitive(source string) string {
	if what := sensitivePaths[source]; what != "" {
		return what
	}
	for _, tree := range sensitiveTrees {
		if strings.HasPrefix(source, tree+"/") {
			what, _, _ := strings.Cut(sensitivePaths[tree], ", ") // what else is in the whole is not in a part
			return what
		}
	}
	for _, keys := range []string{"/.ssh", "/.aws", "/.kube", "/.gnupg", "/.docker"} {
		if strings.HasSuffix(source, keys) || strings.Contains(source, keys+"/") {
			return "the keys of a user of the host"
		}
	}
	return ""
}

// sensitivePaths are paths of a host with what they hold. /run and /var/run are
// C301's: they hold the docker socket.
var sensitivePaths = map[string]string{
	"/":                   "the whole host",
	"/etc":                "the host's configuration",
	"/etc/shadow":         "the host's passwords",
	"/etc/passwd":         "the host's users",
	"/etc/group":          "the host's users",
	"/etc/sudoers":        "the host's users",
	"/etc/sudoers.d":      "the host's users",
	"/etc/ssh":            "the host's SSH keys",
	"/etc/docker":         "the engine's configuration",
	"/etc/systemd":        "the host's services",
	"/etc/cron.d":         "the host's scheduled jobs",
	"/etc/crontab":        "the host's scheduled jobs",
	"/etc/ld.so.preload":  "the host's libraries",
	"/proc":               "the host's processes",
	"/sys":                "the host's kernel settings",
	"/boot":               "the host's kernel",
	"/dev":                "the host's devices",
	"/root":               "the home of the host's root",
	"/home":               "the homes of the host's users",
	"/usr":                "the host's programs",
	"/usr/bin":            "the host's programs",
	"/usr/sbin":           "the host's programs",
	"/usr/lib":            "the host's libraries",
	"/usr/local/bin":      "the host's programs",
	"/bin":                "the host's programs",
	"/sbin":               "the host's programs",
	"/lib":                "the host's libraries",
	"/lib64":              "the host's libraries",
	"/lib/modules":        "the host's kernel modules",
	"/var":                "the engine's data and everything else that the host stores",
	"/var/lib":            "the engine's data and everything else that the host stores",
	"/var/lib/docker":     "the engine's data, all volumes and secrets included",
	"/var/lib/containerd": "the engine's data, all images included",
	"/var/lib/kubelet":    "the node's pods and secrets",
	"/var/spool/cron":     "the host's scheduled jobs",
	"/run/systemd":        "the host's services",
	"/var/run/systemd":    "the host's services",
	"/run/dbus":           "the host's message bus",
	"/var/run/dbus":       "the host's message bus",
}

// sensitiveTrees are those of the paths whose parts are as sensitive.
var sensitiveTrees = []string{
	"/proc", "/sys", "/boot", "/etc/ssh", "/etc/docker", "/etc/systemd", "/run/systemd", "/run/dbus", "/var/run/systemd",
	"/var/run/dbus", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet", "/usr/bin", "/usr/sbin", "/bin", "/sbin",
}

// harmlessToRead are sensitive paths that hold no secret.
var harmlessToRead = map[string]bool{
	"/etc/passwd": true, "/etc/group": true, "/lib/modules": true, "/usr": true, "/usr/bin": true, "/usr/sbin": true, "/usr/lib": true,
	"/usr/local/bin": true, "/bin": true, "/sbin": true, "/lib": true, "/lib64": true, "/boot": true, "/sys": true,
}

// diskOrMemory says what a device of the host is, "" for one that can be given
// away without giving all of the host.
func diskOrMemory(device string) string {
	name, ok := strings.CutPrefix(device, "/dev/")
	if !ok {
		return ""
	}
	switch name {
	case "mem", "kmem", "port":
		return "the host's memory"
	}
	for _, disk := range []string{"sd", "hd", "vd", "xvd"} {
		if rest, ok := strings.CutPrefix(name, disk); ok && rest != "" && strings.Trim(rest[:1], "abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(rest[1:], "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
			return "a disk of the host"
		}
	}
	for _, disk := range []string{"nvme", "mmcblk", "dm-", "md", "mapper/", "disk/"} {
		if rest, ok := strings.CutPrefix(name, disk); ok && rest != "" {
			return "a disk of the host"
		}
	}
	return ""
}

// devicePath is the host's side of an item of devices, and where it ends.
func devicePath(item recipe.Node) (device string, node recipe.Node) {
	if item.IsMap() {
		source := item.Get("source")
		return fallback(source.Text()), source
	}
	device, _, _ = strings.Cut(fallback(item.Text()), ":")
	return device, item
}
