package rules

import (
	"bytes"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// forSwarm tells whether files are meant for a swarm: they are a recipe's, or
// hold what only a swarm reads. Loose compose files often are not.
func forSwarm(p *lint.Pass) bool {
	if p.Recipe.Sample != nil || p.Recipe.Script != nil {
		return true
	}
	for _, d := range p.Recipe.Documents() {
		if d.Lookup("networks").IsMap() && bytes.Contains(d.Text.Bytes, []byte("overlay")) && overlayNetwork(d) {
			return true
		}
		if !bytes.Contains(d.Text.Bytes, []byte("deploy")) {
			continue
		}
		for _, service := range d.Lookup("services").Pairs() {
			for _, key := range swarmKeys {
				if service.Get("deploy", key).Exists() {
					return true
				}
			}
		}
	}
	return p.Recipe.IsRecipe()
}

// swarmKeys are what docker compose does not read of deploy.
var swarmKeys = []string{"mode", "labels", "placement", "update_config", "rollback_config", "endpoint_mode"}

func overlayNetwork(d *recipe.Document) bool {
	for _, network := range d.Lookup("networks").Pairs() {
		if network.Get("driver").Text() == "overlay" {
			return true
		}
	}
	return false
}

// mode is the service's deploy.mode, "replicated" when it says nothing.
func (s deployService) mode() string {
	text, known := deployText(s.get("deploy", "mode"))
	if !known || text == "" {
		return "replicated"
	}
	return text
}

// replicas is how many tasks a replicated service has; known is false where a
// variable decides.
func (s deployService) replicas() (n recipe.Node, count int, known bool) {
	n = s.get("deploy", "replicas")
	if !n.Exists() {
		return n, 1, true
	}
	count, known = deployNumber(n)
	return n, count, known
}

// constraints are the service's placement constraints, of all files.
func (s deployService) constraints() []recipe.Node {
	var found []recipe.Node
	for _, list := range s.all("deploy", "placement", "constraints") {
		for _, item := range list.Items() {
			found = append(found, item)
		}
	}
	return found
}

// placed tells whether a constraint says on which nodes the service runs, beside
// what it is built for.
func (s deployService) placed() bool {
	return slices.ContainsFunc(s.constraints(), func(n recipe.Node) bool {
		return !strings.HasPrefix(strings.ToLower(strings.TrimSpace(n.Text())), "node.platform.")
	})
}

// hostPort is a port that tasks take from their node itself.
type hostPort struct {
	mode, published recipe.Node
}

// hostPorts are the service's ports in host mode with a number of their own.
func (s deployService) hostPorts() []hostPort {
	var found []hostPort
	for _, list := range s.all("ports") {
		for _, item := range list.Items() {
			mode, published := item.Get("mode"), item.Get("published")
			if mode.Text() != "host" || published.Text() == "" || published.Text() == "0" {
				continue
			}
			found = append(found, hostPort{mode, published})
		}
	}
	return found
}

// ingressPorts are the service's ports that the swarm's routing mesh publishes.
func (s deployService) ingressPorts() []recipe.Node {
	var found []recipe.Node
	for _, list := range s.all("ports") {
		for _, item := range list.Items() {
			switch {
			case item.IsScalar() && !item.IsNull():
				found = append(found, item)
			case item.IsMap() && (!item.Get("mode").Exists() || item.Get("mode").Text() == "ingress"):
				found = append(found, item)
			}
		}
	}
	return found
}

// serves tells whether something shows that the service is meant to run for
// good, and not to do one thing and end.
func (s deployService) serves() bool {
	if len(s.ingressPorts()) > 0 || len(s.hostPorts()) > 0 {
		return true
	}
	if check := s.get("healthcheck", "test"); check.Exists() {
		return true
	}
	return slices.ContainsFunc(s.labels(), func(l deployLabel) bool {
		return strings.HasSuffix(l.name, ".loadbalancer.server.port")
	})
}

// imageName is the last part of the image's repository: "mariadb" of
// "docker.io/library/mariadb:11.4".
func (s deployService) imageName() string {
	name := values{}.expand(s.get("image").Text()).text
	name, _, _ = strings.Cut(name, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}
