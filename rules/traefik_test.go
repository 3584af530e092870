package rules

import (
	"strings"
	"testing"
)

// routed is a compose file with one service on the network proxy, and labels.
func routed(labels ...string) string {
	lines := []string{"networks: [proxy]", "deploy:", "  labels:"}
	for _, l := range labels {
		lines = append(lines, "    - \""+l+"\"")
	}
	return swarmService(lines...) + "networks:\n  proxy:\n    external: true\n"
}

func TestTraefikPorts(t *testing.T) {
	const port = "traefik.http.services.app.loadbalancer.server.port="
	for labels, want := range map[string]int{
		"traefik.enable=true":                                                                               1,
		"traefik.enable=false":                                                                              0,
		"traefik.enable=${ON:-true}":                                                                        1,
		"traefik.enable=true," + port + "80":                                                                0,
		"traefik.enable=true," + port + "${PORT}":                                                           0,
		"traefik.enable=true," + port + "http":                                                              1,
		"traefik.enable=true," + port + "0":                                                                 1,
		"traefik.http.routers.app.rule=Host(`a.example`)":                                                   1,
		"traefik.http.routers.app.rule=Host(`a.example`)," + port + "80":                                    0,
		"traefik.http.middlewares.x.compress=true":                                                          0,
		"traefik.enable=true,traefik.tcp.services.app.loadbalancer.server.port=5432":                        0,
		"traefik.enable=true,traefik.port=80,traefik.frontend.rule=Host:a.example":                          0,
		"traefik.http.routers.a.rule=Host(`a`),traefik.http.routers.a.service=api@internal," + port + "web": 0,
		"traefik.enable=true,traefik.tcp.services.app.loadbalancer.server.port=1,traefik.http.routers.a.rule=Host(`a`)": 1,
	} {
		wantFindings(t, "S211", want, "compose.yml", routed(strings.Split(labels, ",")...))
	}
}

func TestTraefikRouters(t *testing.T) {
	const port = "traefik.http.services.app.loadbalancer.server.port=80"
	expect(t, found(t, "S212", "compose.yml", routed("traefik.enable=true", port)),
		`compose.yml:7:11-32 "traefik.enable=true", but no router leads to service "app"; expected traefik.http.routers.<name>.rule`)
	expect(t, found(t, "S212", "compose.yml", routed("traefik.http.routers.a.rule=Host(`a`)", "traefik.http.routers.b.entrypoints=web", port)),
		`compose.yml:8:33-34 router "b" of service "app" has no rule, so traefik waits for a host named after the service; expected traefik.http.routers.b.rule`)
	for _, labels := range [][]string{
		{"traefik.enable=true"},
		{"traefik.enable=true", port, "traefik.http.middlewares.x.compress=true"},
		{"traefik.enable=true", port, "traefik.tcp.routers.a.rule=HostSNI(`*`)"},
		{"traefik.HTTP.Routers.a.Rule=Host(`a`)", "traefik.http.routers.a.entryPoints=web", port},
	} {
		wantFindings(t, "S212", 0, "compose.yml", routed(labels...))
	}
}

func TestTraefikNetworks(t *testing.T) {
	service := swarmService("networks: [back]", "deploy: {labels: {traefik.enable: \"true\", traefik.http.routers.a.rule: \"Host(`a`)\"}}")
	for networks, want := range map[string]int{
		"back:": 1, "back: {driver: overlay}": 1, "back: {external: true}": 0, "back: {external: false}": 1, "back: {name: front}": 0,
	} {
		wantFindings(t, "S213", want, "compose.yml", service+"networks:\n  "+networks+"\n")
	}
	traefik := "  traefik:\n    image: traefik:v3.3\n    networks: [back]\nnetworks:\n  back:\n"
	wantFindings(t, "S213", 0, "compose.yml", service+traefik)
	for label, want := range map[string]int{
		"proxy": 0, "other": 1, "${NET}": 0, "${NET:-other}": 1,
	} {
		wantFindings(t, "S214", want, "compose.yml", routed("traefik.enable=true", "traefik.docker.network="+label))
	}
	own := swarmService("networks: [front]", "deploy: {labels: {traefik.docker.network: NAME}}") + "networks:\n  front:\n"
	for name, want := range map[string]int{"front": 1, "site_front": 0, "proxy": 1} {
		wantFindings(t, "S214", want, "compose.yml", strings.Replace(own, "NAME", name, 1))
	}
	wantFindings(t, "S214", 0, "compose.yml", strings.Replace(own, "NAME", "site", 1)+"    name: site\n")
}

func TestTraefikRouterNames(t *testing.T) {
	two := func(a, b string) string {
		service := func(name, labels string) string {
			return "  " + name + ":\n    image: x:1\n    deploy:\n      labels:\n        - \"" + strings.Join(strings.Split(labels, ","), "\"\n        - \"") + "\"\n"
		}
		return "services:\n" + service("a", a) + service("b", b)
	}
	const rule = "traefik.http.routers.x.rule=Host(`x`)"
	for _, c := range []struct {
		a, b string
		want int
	}{
		{rule, rule, 0},
		{rule, "traefik.http.routers.x.rule=Host(`y`)", 1},
		{rule, "traefik.http.routers.y.rule=Host(`y`)", 0},
		{rule, "traefik.tcp.routers.x.rule=HostSNI(`y`)", 0},
		{rule + ",traefik.http.services.a.loadbalancer.server.port=1", rule + ",traefik.http.services.b.loadbalancer.server.port=1", 1},
		{rule, "traefik.enable=false,traefik.http.routers.x.rule=Host(`y`)", 0},
	} {
		wantFindings(t, "S215", c.want, "compose.yml", two(c.a, c.b))
	}
}

func TestTraefikRules(t *testing.T) {
	for rule, want := range map[string]string{
		"Host(`a.example`)": "", "Host(`a`) && (PathPrefix(`/x`) || !Path(`/y`, `/z`))": "", "Host(`${DOMAIN}`${EXTRA_DOMAINS})": "",
		`Host("a.example")`: "", "HostRegexp(`^.+\\.${D}$$`)": "", "HostRegexp(`{sub:[a-z(]+}.a`)": "", "${RULE}": "", "Host(${HOSTS})": "",
		"Host(`a`) ${MORE}": "", "host(`a`)": "", "": "", "HOSTSNI(`*`)": "", "${A:-Host(`a`)}": "", "ClientIP(`10.0.0.0/8`)": "",
		"Host(a.example)":         "a.example",
		"Host('a.example')":       "'a.example'",
		"Host(`a`, b)":            "b",
		"Host:a.example":          "Host:a.example",
		"Host(`a)":                "`",
		"(Host(`a`)":              "(",
		"Host(`a`))":              ")",
		"Host(`a`":                "(",
		"Hosts(`a`)":              "Hosts",
		"Host(`a`) and Path(`b`)": "and",
		"PathPrefixStrip(`/a`)":   "PathPrefixStrip",
	} {
		wrong, bad := readTraefikRule(rule)
		got := ""
		if bad {
			got = rule[wrong.from:wrong.to]
		}
		if got != want {
			t.Errorf("rule %q: found %q (%s), expected %q", rule, got, wrong.text, want)
		}
	}
}

func FuzzTraefikRule(f *testing.F) {
	for _, rule := range []string{"Host(`a`) && Path('/b')", "${A:-Host(`${B}`)}", "Host(\"a\\\"", "((", "Host( ,`a`", "$", "${", "é(`"} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		wrong, bad := readTraefikRule(rule)
		if bad && (wrong.from < 0 || wrong.to <= wrong.from || wrong.to > len(rule) || wrong.text == "") {
			t.Errorf("rule %q: %+v lies outside of it", rule, wrong)
		}
	})
}

func TestTraefikOptions(t *testing.T) {
	for label, want := range map[string]string{
		"traefik.http.routers.a.entryPoints=web": "", "traefik.http.routers.a.tls.domains[0].main=a": "", "traefik.http.routers.a.tls=true": "",
		"traefik.http.services.a.loadbalancer.sticky.cookie.name=x": "", "traefik.tcp.services.a.loadbalancer.terminationdelay=1": "",
		"traefik.http.middlewares.a.whatever=1": "", "traefik.constraint-label=x": "", "traefik.http.routers.${A:-x.y}.rule=Host(`a`)": "",
		"traefik.http.routers.a.entrypoint=web":       "entrypoint",
		"traefik.http.routers.a.certresolver=le":      "certresolver",
		"traefik.http.routers.${A}.middleware=x":      "middleware",
		"traefik.http.services.a.server.port=80":      "server",
		"traefik.http.services.a.loadbalancer.port=8": "port",
		"traefik.udp.routers.a.rule=x":                "rule",
	} {
		got := found(t, "S217", "compose.yml", routed(label))
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], `no option "`+want+`"`)) {
			t.Errorf("label %q: found %q, expected %q", label, got, want)
		}
	}
}

func TestTraefikServices(t *testing.T) {
	const a, b = "traefik.http.services.a.loadbalancer.server.port=1", "traefik.http.services.b.loadbalancer.server.port=2"
	const rule, to = "traefik.http.routers.r.rule=Host(`r`)", "traefik.http.routers.r.service="
	for _, c := range []struct {
		labels []string
		want   int
	}{
		{[]string{rule, a}, 0},
		{[]string{rule, a, to + "a"}, 0},
		{[]string{rule, a, to + "c"}, 1},
		{[]string{rule, a, b}, 1},
		{[]string{rule, a, b, to + "b"}, 0},
		{[]string{rule, a, to + "c@file"}, 0},
		{[]string{rule, to + "elsewhere"}, 0},
		{[]string{rule, a, to + "${NAME}"}, 0},
		{[]string{strings.ReplaceAll(rule, ".r.", ".${N}."), strings.Replace(a, ".a.", ".${N}.", 1), "traefik.http.routers.${N}.service=${N}-x"}, 1},
	} {
		wantFindings(t, "S218", c.want, "compose.yml", routed(c.labels...))
	}
	expect(t, found(t, "S218", "compose.yml", routed(rule, a, to+"c")),
		`compose.yml:9:43-44 router "r" leads to the service "c", which no label defines; expected "a"`)
	same := strings.ReplaceAll(rule, ".r.", ".${X}.")
	wantFindings(t, "S218", 0, "compose.yml", routed(same, strings.Replace(a, ".a.", ".${X}.", 1), strings.Replace(b, ".b.", ".${Y}.", 1)))
}
