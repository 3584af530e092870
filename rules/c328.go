package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c328 = lint.Rule{
	ID: "C328", Name: "public-port",
	Summary:  "web services are reached through the proxy, not at ports of their own",
	Severity: lint.Info,
	Check:    checkPublicPort,
}

// checkPublicPort leaves out 80 and 443, which are the proxy's, protocols that
// no web proxy takes, and C327's ports.
func checkPublicPort(p *lint.Pass) {
	eachPort(p, func(o openPort) {
		switch {
		case o.udp, !everyAddress(o.host), o.target == 0, internalPorts[o.target] != "":
			return
		case o.published == 80 || o.published == 443, directPorts[o.published]:
			return
		case o.target != 80 && o.target != 443 && directPorts[o.target]:
			return
		}
		image := imageWord(imageOf(p, o.of))
		if webProxy(image) || directOf[image] == o.target {
			return
		}
		p.Reportf(o.node.Range(), "port %q of service %q is open %s, without the proxy's certificates and logins; expected Traefik labels instead", o.written(), o.service, o.where())
	})
}

// imageWord is the last word of an image's name.
func imageWord(image string) string {
	name := image[strings.LastIndexByte(image, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}

// webProxy tells whether an image, by its last word, is itself what others are
// reached through.
func webProxy(name string) bool {
	switch name {
	case "traefik", "caddy", "haproxy", "nginx-proxy", "nginx-proxy-manager", "docker-flow-proxy", "envoy", "swag":
		return true
	}
	return strings.HasPrefix(name, "caddy-")
}
