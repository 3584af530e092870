package rules

import (
	"path"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// mount is what a service has at a path: a volume, a folder, a tmpfs, a config
// or a secret.
type mount struct {
	source, target string
	file           bool // a config or a secret
}

// serviceMounts lists what one compose file puts into a service's file system.
func serviceMounts(service recipe.Node) []mount {
	var found []mount
	for _, item := range service.Get("volumes").Items() {
		found = append(found, readMount(item))
	}
	found = append(found, attached(service, "configs", "/")...)
	found = append(found, attached(service, "secrets", "/run/secrets/")...)
	tmpfs := service.Get("tmpfs")
	if tmpfs.IsScalar() {
		found = append(found, mount{target: fallback(tmpfs.Text())})
	}
	for _, item := range tmpfs.Items() {
		target, _, _ := strings.Cut(fallback(item.Text()), ":")
		found = append(found, mount{target: target})
	}
	return found
}

func readMount(item recipe.Node) mount {
	if item.IsMap() {
		return mount{source: fallback(item.Get("source").Text()), target: fallback(item.Get("target").Text())}
	}
	parts := strings.Split(fallback(item.Text()), ":")
	if len(parts) == 1 {
		return mount{target: parts[0]}
	}
	return mount{source: parts[0], target: parts[1]}
}

// attached lists the configs or secrets that a service has, with their paths.
// Those without a path of their own are below root.
func attached(service recipe.Node, kind, root string) []mount {
	var found []mount
	for _, item := range service.Get(kind).Items() {
		m := mount{source: item.Text(), file: true}
		if item.IsMap() {
			m.source, m.target = item.Get("source").Text(), fallback(item.Get("target").Text())
		}
		if m.target == "" {
			m.target = m.source
		}
		if !strings.HasPrefix(m.target, "/") {
			m.target = root + m.target
		}
		found = append(found, m)
	}
	return found
}

// holds tells whether a path of a container is the mount's, or below it.
func (m mount) holds(file string) bool {
	target := path.Clean(m.target)
	if m.file || target == "/" {
		return target == path.Clean(file)
	}
	return path.Clean(file) == target || strings.HasPrefix(path.Clean(file), target+"/")
}

// everyMount lists what any of the recipe's compose files puts into a service.
func everyMount(r *recipe.Recipe, service string) []mount {
	var found []mount
	for _, d := range r.Documents() {
		found = append(found, serviceMounts(d.Lookup("services", service))...)
	}
	return found
}
