package rules

import (
	"strings"
	"testing"
)

// swarmService is a compose file with one service, indented below its name.
func swarmService(lines ...string) string {
	return "services:\n  app:\n    image: nginx:1.27.3\n    " + strings.Join(lines, "\n    ") + "\n"
}

// wantFindings wants so many findings of one rule, for tests that look at no more.
func wantFindings(t *testing.T, rule string, want int, files ...string) {
	t.Helper()
	if got := found(t, rule, files...); len(got) != want {
		t.Errorf("%s found\n\t%s\nexpected %d findings in\n%s", rule, strings.Join(got, "\n\t"), want, strings.Join(files, "\n"))
	}
}

func TestOverlaysAreMergedBeforeServicesAreJudged(t *testing.T) {
	base := swarmService("deploy:", "  update_config:", "    failure_action: rollback", "    order: start-first")
	host := "services:\n  app:\n    ports:\n      - {target: 80, published: 80, mode: host}\n"
	expect(t, found(t, "S227", "compose.yml", base, "compose.host.yml", host),
		`compose.host.yml:4:43-47 mode: host takes port 80 of the node, and with order: start-first the new task of service "app" cannot start beside the old one; expected order: stop-first`)
	mended := host + "    deploy:\n      update_config:\n        order: stop-first\n"
	wantFindings(t, "S227", 0, "compose.yml", base, "compose.host.yml", mended)
	reset := host + "    deploy:\n      update_config: !reset null\n"
	wantFindings(t, "S227", 0, "compose.yml", base, "compose.host.yml", reset)
	override := host + "    deploy:\n      update_config: !override\n        failure_action: rollback\n"
	wantFindings(t, "S227", 0, "compose.yml", base, "compose.host.yml", override)
}

func TestOverlaysOfTheSampleCureTheBase(t *testing.T) {
	base := swarmService("deploy:", "  labels:", "    - traefik.enable=true")
	overlay := "services:\n  app:\n    deploy:\n      labels:\n        - traefik.http.services.app.loadbalancer.server.port=80\n"
	wantFindings(t, "S211", 1, "compose.yml", base, "compose.web.yml", overlay)
	wantFindings(t, "S211", 0, "compose.yml", base, "compose.web.yml", overlay, ".env.sample", "COMPOSE_FILE=compose.yml:compose.web.yml\n")
	wantFindings(t, "S211", 1, "compose.yml", base, "compose.web.yml", overlay, ".env.sample", "#COMPOSE_FILE=compose.yml:compose.other.yml\n")
}

func TestAPatchWithoutItsServiceLacksNothing(t *testing.T) {
	patch := "services:\n  other:\n    deploy:\n      update_config: {order: stop-first}\n      labels: [traefik.enable=true]\n"
	for _, rule := range []string{"S211", "S213", "S221"} {
		wantFindings(t, rule, 0, "compose.yml", swarmService("user: nobody"), "compose.x.yml", patch)
	}
}

func TestAnAnchorIsOneTrouble(t *testing.T) {
	file := "x-deploy: &d\n  update_config:\n    failure_action: pause\nservices:\n" +
		"  a:\n    image: a:1\n    deploy: *d\n  b:\n    image: b:1\n    deploy:\n      <<: *d\n"
	expect(t, found(t, "S220", "compose.yml", file),
		`compose.yml:3:21-26 failure_action is "pause": a failed update of service "a" stops half way with the broken version in place; expected rollback`)
}

func TestDefaultsAreJudgedWhereTheyStand(t *testing.T) {
	file := swarmService("deploy:", "  update_config:", "    failure_action: ${ACTION:-continue}")
	expect(t, found(t, "S220", "compose.yml", file),
		`compose.yml:6:35-43 failure_action is "continue": a failed update of service "app" goes on, and counts as completed though nothing works; expected rollback`)
	wantFindings(t, "S220", 0, "compose.yml", swarmService("deploy:", "  update_config:", "    failure_action: ${ACTION}"))
}

func TestLooseFilesForOneHostAreLeftAlone(t *testing.T) {
	plain := swarmService("labels:", "  traefik.enable: \"true\"", "volumes:", "  - /srv/data:/data", "deploy:", "  resources: {limits: {memory: 1G}}")
	for _, rule := range []string{"S210", "S230"} {
		wantFindings(t, rule, 0, "compose.yml", plain)
		wantFindings(t, rule, 1, "compose.yml", plain+"      placement: {max_replicas_per_node: 1}\n")
		wantFindings(t, rule, 1, "compose.yml", plain+"networks:\n  default:\n    driver: overlay\n")
		wantFindings(t, rule, 1, "compose.yml", plain, ".env.sample", "TYPE=app\n")
	}
}

func TestMisplacedLabelsAreCountedOnce(t *testing.T) {
	file := swarmService("labels:", "  - traefik.enable=true", "  - traefik.docker.network=proxy", "  - backupbot.backup=true", "  - com.example.note=1",
		"deploy:", "  labels: [traefik.docker.network=proxy]")
	expect(t, found(t, "S210", "compose.yml", file),
		`compose.yml:5:9-23 label "traefik.enable" and one more of service "app" goes to its containers, where traefik's swarm provider does not look; expected it in deploy.labels`)
	// R010 has the trouble of a recipe that is not routed at all.
	wantFindings(t, "S210", 0, "compose.yml", swarmService("labels: [traefik.enable=true]"), ".env.sample", "DOMAIN=example.com\n")
}

func TestDeployModes(t *testing.T) {
	for mode, want := range map[string]int{
		"mode: global":                                    0,
		"mode: global\n      replicas: 1":                 1,
		"mode: global-job\n      replicas: 1":             1,
		"mode: replicated\n      replicas: 2":             0,
		"mode: replicated-job\n      replicas: 2":         0,
		"mode: replicated-job\n      update_config: {}":   1,
		"mode: ${MODE}\n      replicas: 2":                0,
		"mode: replicate":                                 1,
		"mode: ${MODE:-global}\n      replicas: ${N:-1}":  1,
		"mode: global\n      update_config: {delay: 10s}": 0,
	} {
		wantFindings(t, "S219", want, "compose.yml", swarmService("deploy:", "  "+mode))
	}
}

func TestMonitors(t *testing.T) {
	check := "healthcheck: {test: [CMD, ok], interval: 10s, retries: 3}"
	for update, want := range map[string]int{
		"{monitor: 29s}":                            1,
		"{monitor: 30s}":                            0,
		"{monitor: 1m}":                             0,
		"{monitor: 0s}":                             0,
		"{order: stop-first}":                       0,
		"{monitor: 5s, failure_action: continue}":   0,
		"{monitor: \"${M}\"}":                       0,
		"{monitor: \"${M:-5s}\"}":                   1,
		"{monitor: soon, failure_action: pause}":    0,
		"{monitor: 5s, failure_action: \"${A:-}\"}": 1,
	} {
		wantFindings(t, "S223", want, "compose.yml", swarmService(check, "deploy:", "  update_config: "+update))
	}
	short := "deploy: {update_config: {monitor: 5s}}"
	wantFindings(t, "S223", 0, "compose.yml", swarmService(short))
	wantFindings(t, "S223", 0, "compose.yml", swarmService(short, "healthcheck: {disable: true, test: [CMD, ok]}"))
	wantFindings(t, "S223", 0, "compose.yml", swarmService(short, "healthcheck: {test: [CMD, ok], interval: \"${I}\"}"))
	wantFindings(t, "S223", 1, "compose.yml", swarmService(short, "healthcheck: {test: [CMD, ok], interval: 0s, retries: 0}"))
	expect(t, found(t, "S223", "compose.yml", swarmService(short), "compose.slow.yml", "services:\n  app:\n    healthcheck:\n      test: ok\n      interval: 1m\n"),
		`compose.slow.yml:5:17-19 interval: 1m, monitor: 5s: the health check of service "app" takes 3m to fail, so a task that turns unhealthy after an update is noticed too late; expected a monitor of at least 3m`)
}

func TestZerosOfHealthChecks(t *testing.T) {
	for check, want := range map[string]int{
		"{retries: 0}": 1, "{interval: 0s}": 1, "{timeout: 0}": 1, "{retries: 1}": 0, "{start_period: 0s}": 0,
		"{interval: 0.5s}": 0, "{retries: \"${R:-0}\"}": 1, "{retries: \"${R}\"}": 0, "{interval: 0s, timeout: 0s, retries: 0}": 3,
	} {
		wantFindings(t, "S224", want, "compose.yml", swarmService("healthcheck: "+check))
	}
}

func TestTimeoutsAndStartPeriods(t *testing.T) {
	check := "healthcheck: {test: ok, start_period: 2m}"
	for label, want := range map[string]int{
		"coop-cloud.x.timeout=120": 1, "coop-cloud.x.timeout=121": 0, "coop-cloud.x.timeout=${TIMEOUT:-60}": 1,
		"coop-cloud.x.timeout=${TIMEOUT}": 0, "coop-cloud.x.timeout=": 0, "other.timeout=60": 0, "coop-cloud.x.timeout=long": 0,
	} {
		wantFindings(t, "S225", want, "compose.yml", swarmService(check, "deploy:", "  labels: [\""+label+"\"]"))
	}
	wantFindings(t, "S225", 1, "compose.yml", swarmService(check, "deploy:", "  labels: [\"coop-cloud.x.timeout=${TIMEOUT}\"]"), ".env.sample", "TIMEOUT=60\n")
}

func TestRestarts(t *testing.T) {
	serving := "healthcheck: {test: ok}"
	wantFindings(t, "S235", 0, "compose.yml", swarmService("deploy: {restart_policy: {condition: none}}"))
	wantFindings(t, "S235", 1, "compose.yml", swarmService("ports: [80]", "deploy: {restart_policy: {condition: none}}"))
	for policy, want := range map[string]int{
		"{max_attempts: 3}": 1, "{max_attempts: 3, window: 0s}": 1, "{max_attempts: 3, window: 1m}": 0, "{max_attempts: 0}": 0,
		"{max_attempts: 3, condition: none}": 0, "{max_attempts: 3, condition: on-failure}": 1, "{max_attempts: 3, window: \"${W}\"}": 0,
	} {
		wantFindings(t, "S236", want, "compose.yml", swarmService(serving, "deploy: {restart_policy: "+policy+"}"))
		wantFindings(t, "S236", 0, "compose.yml", swarmService("deploy: {restart_policy: "+policy+"}"))
	}
}

func TestReservations(t *testing.T) {
	for resources, want := range map[string]int{
		"{limits: {memory: 1G}, reservations: {memory: 1024M}}":                0,
		"{limits: {memory: 1gb}, reservations: {memory: 1025MiB}}":             1,
		"{limits: {memory: 512k}, reservations: {memory: 524289b}}":            1,
		"{limits: {cpus: \"0.5\"}, reservations: {cpus: \"1\"}}":               1,
		"{limits: {cpus: 1.5}, reservations: {cpus: 1}}":                       0,
		"{limits: {memory: 1G}, reservations: {memory: lots}}":                 0,
		"{limits: {memory: 0}, reservations: {memory: 1G}}":                    0,
		"{limits: {memory: \"${M}\"}, reservations: {memory: 1G}}":             0,
		"{limits: {memory: \"${M:-64M}\"}, reservations: {memory: 1G}}":        1,
		"{limits: {cpus: 1, memory: 1M}, reservations: {cpus: 2, memory: 2M}}": 2,
	} {
		wantFindings(t, "S237", want, "compose.yml", swarmService("deploy: {resources: "+resources+"}"))
	}
}

func TestHealthCheckLists(t *testing.T) {
	for test, want := range map[string]int{
		`curl -f http://localhost || exit 1`:                   0,
		`["CMD-SHELL", "curl -f http://localhost || exit 1"]`:  0,
		`["CMD", "curl", "-f", "http://localhost"]`:            0,
		`["CMD", "curl", "-f", "http://localhost", "||", "x"]`: 1,
		`["CMD", "sh", "-c", "a || b"]`:                        0,
		`["CMD", "sh", "-c", "||"]`:                            0,
		`["CMD", "curl -f http://localhost"]`:                  1,
		`["CMD", "/opt/my tool/check"]`:                        0,
		`["CMD-SHELL", "pg_isready", "-U", "x"]`:               1,
		`["curl", "-f", "http://localhost"]`:                   1,
		`["NONE"]`:                                             0,
		`["CMD"]`:                                              0,
		`[]`:                                                   0,
		`[7, 8]`:                                               0,
	} {
		wantFindings(t, "S238", want, "compose.yml", swarmService("healthcheck:", "  test: "+test))
	}
}

func TestPlaceholders(t *testing.T) {
	for line, want := range map[string]int{
		"command: run --node {{.Node.Hostname}}":                 1,
		"command: [run, \"{{ .Task.Slot }}\"]":                   1,
		"command: docker ps --format '{{.Names}}'":               0,
		"hostname: \"{{.Node.Hostname}}\"":                       0,
		"environment: [\"NODE={{.Node.ID}}\"]":                   0,
		"volumes: [\"data-{{.Task.Slot}}:/data\"]":               0,
		"deploy: {labels: {node: \"{{.Node.ID}}\"}}":             1,
		"networks: {default: {aliases: [\"n-{{.Task.Slot}}\"]}}": 1,
		"logging: {options: {tag: \"{{.Name}}\"}}":               0,
	} {
		wantFindings(t, "S239", want, "compose.yml", swarmService(line))
	}
}
