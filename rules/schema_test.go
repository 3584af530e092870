package rules

import (
	"fmt"
	"strings"
	"testing"
)

func TestComposeSchema(t *testing.T) {
	service := func(lines string) string {
		return "services:\n  app:\n" + strings.ReplaceAll("    "+lines, "\n", "\n    ") + "\n"
	}
	tests := []struct {
		name, compose string
		want          []string
	}{
		{"unknown key at the top", "service: {}\n", []string{`1:1-8 unknown key "service" at the top level`}},
		{"unknown key of a service", service("imgae: a"), []string{`3:5-10 unknown key "imgae" in services.app`}},
		{"unknown key far below", service("deploy:\n  update_config:\n    ordre: x"), []string{`5:9-14 unknown key "ordre" in services.app.deploy.update_config`}},
		{"unknown key in a list", service("ports:\n  - {target: 80, publish: 80}"), []string{`4:22-29 unknown key "publish" in services.app.ports.0`}},
		{"unknown key beside a wrong value", service("imgae: a\nimage: 1\ndevices: 2"),
			[]string{`3:5-10 unknown key "imgae" in services.app`, `4:12-13 services.app.image: expected a string, got the number "1"`, `5:14-15 services.app.devices: expected a list, got the number "2"`}},
		{"extensions", "x-a: 1\n" + service("image: a\nx-b: {}"), nil},
		{"wrong kind", service("environment: 3"), []string{`3:18-19 services.app.environment: expected a list or a mapping, got the number "3"`}},
		{"nothing", service("environment:"), []string{`3:5-16 services.app.environment: expected a list or a mapping, got nothing`}},
		{"a mapping for a list", service("ports:\n  a: b"), []string{`3:5-10 services.app.ports: expected a list, got a mapping`}},
		{"a service that is text", "services:\n  app: nginx\n", []string{`2:8-13 services.app: expected a mapping, got the string "nginx"`}},
		{"version as a number", "version: 3.8\n", []string{`1:10-13 version: expected a string, got the number "3.8"`}},
		{"the form that is meant", service("environment:\n  A: [1]"), []string{`4:7-8 services.app.environment.A: expected a string, a number or true or false, got a list`}},
		{"a key that is missing", service("volumes:\n  - target: /x"), []string{`4:9-19 services.app.volumes.0: lacks "type"`}},
		{"enum", service("deploy:\n  update_config: {order: first}"), []string{`4:30-35 services.app.deploy.update_config.order: expected "start-first" or "stop-first", got the string "first"`}},
		{"twice in a list", service("cap_add:\n  - A\n  - A"), []string{`5:9-10 services.app.cap_add.1: "A" stands in the list twice`}},
		{"one volume twice", service("volumes:\n  - a:/a\n  - a:/a"), nil},
		{"a variable for a number or a boolean", service("init: ${A}\ndeploy:\n  replicas: ${B:-1}\n  update_config: {order: $C, max_failure_ratio: ${D}}\nhealthcheck: {disable: $E}\nports:\n  - {target: $F}"), nil},
		{"a variable for a mapping", service("environment: ${A}"), []string{`3:18-22 services.app.environment: expected a list or a mapping, got the string "${A}"`}},
		{"an escaped dollar is no variable", service("deploy:\n  update_config: {order: $$C}"), []string{`4:30-33 services.app.deploy.update_config.order: expected "start-first" or "stop-first", got the string "$$C"`}},
		{"reset", service("ports: !reset null\nenvironment: !reset\ncommand: !override [a]"), nil},
		{"infinity", service("deploy:\n  replicas: .inf"), []string{`4:17-21 services.app.deploy.replicas: expected a string or a whole number, got the number ".inf"`}},
		{"behind an anchor, once", "x-a: &a {imgae: b}\nservices:\n  a: *a\n  b:\n    <<: *a\n", []string{`1:10-15 unknown key "imgae" in services.a`, `1:10-15 unknown key "imgae" in services.b`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, line := range test.want {
				want = append(want, "compose.yml:"+line)
			}
			expect(t, found(t, "S202", "compose.yml", test.compose), want...)
		})
	}
}

func TestComposeSchemaOfOverlays(t *testing.T) {
	expect(t, found(t, "S202", "compose.yml", "services: {}", "compose.a.yml", "services:\n  app:\n    prots: []\n"),
		`compose.a.yml:3:5-10 unknown key "prots" in services.app`)
}

func TestStackSchema(t *testing.T) {
	service := func(lines string) string {
		return "services:\n  app:\n" + strings.ReplaceAll("    "+lines, "\n", "\n    ") + "\n"
	}
	const deploy = "docker stack deploy "
	tests := []struct {
		name, compose string
		want          []string
	}{
		{"what a swarm takes", service("image: a:1\ncap_add: [A]\ninit: true\nenvironment: {A: b, C: 1, D:}\nports: [80, '80:80', {target: 80, published: 80, mode: host}]\nvolumes: ['a:/a', {type: tmpfs, target: /x, tmpfs: {size: 5}}]\nnetworks: {a: , b: {aliases: [c]}}\nulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}\nhealthcheck: {test: a, interval: 1m30s, start_interval: 2s}\ndeploy: {mode: global, resources: {limits: {cpus: '0.5', memory: 1G, pids: 3}}}\nx-a: 1"), nil},
		{"dropped", service("restart: always\ncontainer_name: abc\nlinks: [b]\npid: service:b"), []string{
			"3:5-12 " + deploy + `ignores the key "restart" in services.app; use deploy.restart_policy`,
			"4:5-19 " + deploy + `ignores the key "container_name" in services.app; swarm names containers itself`,
			"5:5-10 " + deploy + `ignores the key "links" in services.app; use a shared network`,
			"6:5-8 " + deploy + `ignores the key "pid" in services.app`}},
		{"refused", "name: x\n" + service("pull_policy: always\nmem_limit: 1G"), []string{
			"1:1-5 " + deploy + `refuses the key "name" at the top level; the stack's name is given at deploy`,
			"4:5-16 " + deploy + `refuses the key "pull_policy" in services.app; swarm decides when to pull`,
			"5:5-14 " + deploy + `refuses the key "mem_limit" in services.app; use deploy.resources`}},
		{"refused elsewhere", "secrets:\n  a: {environment: B}\nconfigs:\n  c: {content: d}\nnetworks:\n  n: {enable_ipv6: true}\nvolumes:\n  v: {name: w, external: true}\n", []string{
			"2:7-18 " + deploy + `refuses the key "environment" in secrets.a`,
			"4:7-14 " + deploy + `refuses the key "content" in configs.c`,
			"6:7-18 " + deploy + `refuses the key "enable_ipv6" in networks.n`}},
		{"a boolean as a value", service("environment:\n  A: true"), []string{"4:10-14 services.app.environment.A: " + deploy + `expects a string or a number, got the boolean "true"`}},
		{"a number for cpus", service("deploy: {resources: {limits: {cpus: 0.5}}}"), []string{"3:41-44 services.app.deploy.resources.limits.cpus: " + deploy + `expects a string, got the number "0.5"`}},
		{"depends_on as a mapping", service("depends_on: {a: {condition: service_started}}"), []string{"3:5-15 services.app.depends_on: " + deploy + `expects a list, got a mapping`}},
		{"restart condition", service("deploy: {restart_policy: {condition: always}}"), []string{"3:42-48 services.app.deploy.restart_policy.condition: " + deploy + `expects "none", "on-failure" or "any", got the string "always"`}},
		{"duration", service("stop_grace_period: 1d"), []string{"3:24-26 services.app.stop_grace_period: " + deploy + `expects a duration such as 1m30s, got the string "1d"`}},
		{"version", "version: '2.4'\n", []string{"1:10-15 version: " + deploy + `expects "3" to "3.13", got the string "2.4"`}},
		{"variables", service("init: $A\nenvironment: {B: $C}\nstop_grace_period: ${D:-1m}\ndeploy: {replicas: $E}\nports: [{target: 80, published: $F}]"), nil},
		{"what S202 has named", service("imgae: a\nenvironment: 3\nprivileged: [1]"), nil},
		{"reset", service("restart: !reset null"), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, line := range test.want {
				want = append(want, "compose.yml:"+line)
			}
			expect(t, found(t, "S203", "compose.yml", test.compose), want...)
		})
	}
}

func TestIssuesAreBoundedAndTheSameEachTime(t *testing.T) {
	var compose strings.Builder
	for i := range 3 * maxIssues {
		fmt.Fprintf(&compose, "k%04d: 1\n", i)
	}
	first := found(t, "S202", "compose.yml", compose.String())
	if len(first) != maxIssues {
		t.Errorf("%d findings, expected %d", len(first), maxIssues)
	}
	for range 3 {
		expect(t, found(t, "S202", "compose.yml", compose.String()), first...)
	}
}

// TestComposeSchemaIsASchema: it is compiled without this check.
func TestComposeSchemaIsASchema(t *testing.T) {
	if _, err := compileSpec("file:///compose-spec.json"); err != nil {
		t.Error(err)
	}
}
