package rules

import (
	"strings"
	"testing"
)

func TestWhatTasksShare(t *testing.T) {
	database := "services:\n  db:\n    image: %s\n    volumes:\n      - %s\n    deploy: {update_config: {order: start-first, failure_action: rollback}}\n"
	for _, c := range []struct {
		image, volume string
		want          int
	}{
		{"postgres:17", "db:/var/lib/postgresql/data", 1},
		{"registry.example/team/mariadb:11", "/srv/db:/var/lib/mysql", 1},
		{"postgres:17", "db:/var/lib/postgresql/data:ro", 0},
		{"postgres:17", "./init:/docker-entrypoint-initdb.d", 0},
		{"redis:7", "./redis.conf:/usr/local/etc/redis/redis.conf", 0},
		{"nginx:1", "html:/usr/share/nginx/html", 0},
		{"postgres-exporter:1", "x:/data", 0},
	} {
		text := strings.Replace(strings.Replace(database, "%s", c.image, 1), "%s", c.volume, 1)
		wantFindings(t, "S226", c.want, "compose.yml", text)
	}
}

func TestPortsOfNodes(t *testing.T) {
	port := "ports: [{target: 80, published: 80, mode: host}]"
	for deploy, want := range map[string]int{
		"{replicas: 2}": 1, "{replicas: 1}": 0, "{replicas: \"${N:-3}\"}": 1, "{replicas: \"${N}\"}": 0,
		"{replicas: 2, placement: {max_replicas_per_node: 1}}": 0,
	} {
		wantFindings(t, "S228", want, "compose.yml", swarmService(port, "deploy: "+deploy))
	}
	wantFindings(t, "S228", 0, "compose.yml", swarmService("ports: [{target: 80, mode: host}]", "deploy: {replicas: 2}"))
	for ports, want := range map[string]int{
		"[\"80:80\"]": 1, "[80]": 1, "[{target: 80, published: 80}]": 1, "[{target: 80, mode: ingress}]": 1, "[{target: 80, published: 80, mode: host}]": 0, "[]": 0,
	} {
		wantFindings(t, "S229", want, "compose.yml", swarmService("ports: "+ports, "deploy: {endpoint_mode: dnsrr}"))
	}
}

func TestMountsOfNodes(t *testing.T) {
	for mount, want := range map[string]int{
		"/srv/app:/data": 1, "./conf:/conf:ro": 0, "~/x:/x": 0, "${DIR:-/srv}/app:/data": 1, "${DIR}/app:/data": 0,
		"/var/run/docker.sock:/var/run/docker.sock": 0, "/etc/localtime:/etc/localtime:ro": 0, "/:/host:ro": 0, "/mnt/nfs/app:/data": 0,
		"data:/data": 0, "/data": 0, "{type: bind, source: /srv/app, target: /data}": 1, "{type: volume, source: data, target: /data}": 0,
		"{type: tmpfs, target: /tmp}": 0,
	} {
		wantFindings(t, "S230", want, "compose.yml", swarmService("volumes:", "  - "+mount, "deploy: {labels: {a: b}}"))
		wantFindings(t, "S230", 0, "compose.yml", swarmService("volumes:", "  - "+mount, "deploy: {mode: global}"))
		wantFindings(t, "S230", 0, "compose.yml", swarmService("volumes:", "  - "+mount, "deploy: {placement: {constraints: [node.role == manager]}}"))
	}
}

func TestVolumesOfNodes(t *testing.T) {
	service := swarmService("volumes: [\"data:/data\"]", "deploy: {replicas: 2, endpoint_mode: vip}")
	for volume, want := range map[string]int{
		"data:": 1, "data: {}": 1, "data: {driver: local}": 1, "data: {driver: rexray}": 0, "data: {external: true}": 0,
		"data: {driver_opts: {type: nfs}}": 0, "other:": 0,
	} {
		wantFindings(t, "S231", want, "compose.yml", service+"volumes:\n  "+volume+"\n")
	}
	alone := swarmService("volumes: [\"data:/data\"]", "deploy: {endpoint_mode: vip}")
	wantFindings(t, "S232", 0, "compose.yml", alone+"volumes:\n  data:\n")
	wantFindings(t, "S232", 1, "compose.yml", alone+"  agent:\n    image: a:1\n    deploy: {mode: global}\nvolumes:\n  data:\n")
	wantFindings(t, "S232", 1, "compose.yml", alone+"  web:\n    image: a:1\n    deploy: {placement: {constraints: [node.role == worker]}}\nvolumes:\n  data:\n")
}

func TestConstraints(t *testing.T) {
	for constraint, want := range map[string]string{
		"node.role == manager": "", "node.role==worker": "", "node.role != Manager": "", "node.labels.zone == a": "", "engine.labels.os == x": "",
		"node.hostname == web-1.example": "", "node.ip == 192.0.2.0/24": "", "node.platform.arch == x86_64": "", "NODE.ID != abc": "", "${WHERE}": "",
		"node.role = manager":          "has no operator",
		"node.role":                    "has no operator",
		"node.name == web":             `has the key "node.name", which no node meets`,
		"node.labels. == web":          `has the key "node.labels.", which no node meets`,
		"role node == web":             `has the key "role node", which a swarm refuses`,
		"node.labels.a == ":            `has the value "", which a swarm refuses`,
		"node.labels.a == b,c":         `has the value "b,c", which a swarm refuses`,
		"node.role == leader":          `has the role "leader"`,
		"node.ip == web":               `has the address "web"`,
		"${WHERE:-node.rolle == boss}": `has the key "node.rolle"`,
	} {
		got := found(t, "S233", "compose.yml", swarmService("deploy:", "  placement:", "    constraints:", "      - \""+constraint+"\""))
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
			t.Errorf("constraint %q: found %q, expected %q", constraint, got, want)
		}
	}
	wantFindings(t, "S234", 0, "compose.yml", swarmService("deploy: {placement: {preferences: [{spread: engine.labels.rack}]}}"))
	wantFindings(t, "S234", 1, "compose.yml", swarmService("deploy: {placement: {preferences: [{spread: node.labels.}]}}"))
}
