package deployer

import (
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// verdictCase is one thing that can become of a deploy. Each is run on a real
// engine, by galley in `make test` and by the docker CLI as well in `make
// verdicts`, and has its line in docs/verdicts.md.
type verdictCase struct {
	name string
	// what happens, as the documentation tells it
	what string
	// before is the compose file that stands, "" for a first deploy; then is the
	// one that is deployed. Their images' names begin with "APP:".
	before, then string
	// limits for galley; zero ones are three minutes.
	limits Limits
	// alone says that it concerns all that runs on the engine.
	alone bool
	// world prepares what is outside the stack, yesterday changes what stands,
	// during is done by others once then is written.
	world, yesterday, during func(s *scene)
	// galley deploys instead of a plain deploy, where that takes more.
	galley func(s *scene, then *Desired) Outcome

	verdict Verdict
	state   StateAfter
	exit    int
	reason  string // a regular expression for a part of it, "" for no reason
}

// ill is a change of the test recipe to one that is never healthy.
var ill = []string{"MODE: serve", "MODE: sick"}

// updatePolicy is the test recipe with another update policy.
func updatePolicy(action, order string, changes ...string) []string {
	return append([]string{"failure_action: pause, order: stop-first", "failure_action: " + action + ", order: " + order}, changes...)
}

// slow is a change to one that is healthy after three seconds, and may take longer.
var slow = []string{"MODE: serve", "MODE: serve\n      DELAY: 3s", "retries: 1}", "retries: 1, start_period: 20s}"}

// three are three replicas of which the second is ill.
func three(update string) []string {
	return []string{
		"replicas: 1", "replicas: 3", "MODE: serve", "MODE: serve\n      SLOT: '{{.Task.Slot}}'\n      SICK: '2'",
		"update_config: {monitor: 1s, failure_action: pause, order: stop-first}", "update_config: {monitor: 1s, " + update + "}",
	}
}

// asJobText turns the test recipe into a job.
func asJobText(mode, does string) string {
	return strings.NewReplacer(
		"replicas: 1", "mode: "+mode, "MODE: serve", "MODE: "+does, "condition: any, ", "condition: none, ",
		"      update_config: {monitor: 1s, failure_action: pause, order: stop-first}\n", "", "      rollback_config: {monitor: 1s}\n", "",
	).Replace(compose("1"))
}

const (
	sickSays  = `health check says: the app is not well`
	threeFail = `its task failed \d times, the last one with: `
)

var verdictCases = []verdictCase{
	{
		name: "slow start", what: "the container needs 3 s to be healthy, within its health check's `start_period` of 20 s",
		then: compose("1", slow...), verdict: Converged, state: StateNew,
	},
	{
		name: "start period longer than the limit", what: "the container is still within its `start_period` of 10 min when the limit of 3 s passes",
		then:   compose("1", "MODE: serve", "MODE: serve\n      DELAY: 10m", "retries: 1}", "retries: 1, start_period: 10m}"),
		limits: Limits{Converge: 3 * time.Second}, verdict: TimedOut, state: StatePrevious, exit: 5,
		reason: `converging took longer than 3s: service app is starting with 0 of 1 tasks; its health check alone lets it start for 10m0s`,
	},
	{
		name: "health check fails at first", what: "first deploy; the container runs and is never healthy",
		then: compose("1", ill...), verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `.*` + sickSays,
	},
	{
		name: "health check fails, rollback", what: "update; the new container is never healthy; `failure_action: rollback`, `order: start-first`",
		before: compose("1", updatePolicy("pause", "stop-first")...), then: compose("2", updatePolicy("rollback", "start-first", ill...)...),
		verdict: RolledBack, state: StatePrevious, exit: 5, reason: `swarm rolled the update back: .*` + sickSays,
	},
	{
		name: "health check fails, pause", what: "the same under `failure_action: pause`, which is swarm's default",
		before: compose("1"), then: compose("2", updatePolicy("pause", "stop-first", ill...)...),
		verdict: Failed, state: StatePrevious, exit: 5, reason: `swarm paused the update: .*` + sickSays,
	},
	{
		name: "health check fails, continue", what: "the same under `failure_action: continue`",
		before: compose("1"), then: compose("2", updatePolicy("continue", "stop-first", ill...)...),
		verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `.*` + sickSays,
	},
	{
		name: "crash loop", what: "first deploy; the container ends with exit code 1 at once, again and again",
		then: compose("1", "MODE: serve", "MODE: exit1"), verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `task: non-zero exit \(1\)`,
	},
	{
		name: "crash loop on update", what: "update, start-first; the new container ends with exit code 1",
		before: compose("1"), then: compose("2", updatePolicy("pause", "start-first", "MODE: serve", "MODE: exit1")...),
		verdict: Failed, state: StatePrevious, exit: 5, reason: `swarm paused the update: .*; its task failed with: task: non-zero exit \(1\)`,
	},
	{
		name: "exits 0", what: "first deploy; the container of a service that is no job ends with exit code 0 at once",
		then: compose("1", "MODE: serve", "MODE: exit0"), verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `the container ended with exit code 0`,
	},
	{
		name: "exits 0, no restart", what: "the same under `restart_policy: {condition: none}`",
		then:    compose("1", "MODE: serve", "MODE: exit0", "condition: any, ", "condition: none, "),
		verdict: Failed, state: StatePrevious, exit: 5,
		reason: `swarm does not start it again: the container ended with exit code 0.*; under the restart condition "none" nothing runs then; what is to run once is a replicated-job`,
	},
	{
		name: "waits for its database", what: "two services; one ends with exit code 1, four times, until the other is healthy",
		then:    besideApp(compose("1", "MODE: serve", "MODE: after\n      AFTER: '4'", "retries: 1}", "retries: 1, start_period: 60s}"), "needs"),
		verdict: Converged, state: StateNew,
	},
	{
		name: "dies after the monitor time", what: "two services; one is up for 2 s each time, the other is healthy once that died for the first time",
		then:    besideApp(compose("1", "MODE: serve", "MODE: after\n      AFTER: '1'", "retries: 1}", "retries: 1, start_period: 20s}"), "serve, LIFE: 2s"),
		verdict: Failed, state: StatePrevious, exit: 5, reason: `service side: ` + threeFail + `task: non-zero exit \(1\)`,
	},
	{
		name: "image missing", what: "first deploy; the registry does not have the image",
		then: compose("gone"), world: (*scene).goneImage, verdict: Failed, state: StatePrevious, exit: 5,
		reason: `its image could not be pulled, in \d tries: No such image: registry.example.org/app:gone`,
	},
	{
		name: "image missing on update", what: "update; the registry does not have the new image",
		before: compose("1"), then: compose("gone"), world: (*scene).goneImage, verdict: Failed, state: StatePrevious, exit: 5,
		reason: `swarm paused the update: .*; its task failed with: No such image: registry.example.org/app:gone`,
	},
	{
		name: "credentials missing", what: "first deploy; the registry wants a login and nobody gave one",
		then: compose("private"), world: (*scene).lockedRegistry, verdict: Failed, state: StatePrevious, exit: 5,
		reason: `its image could not be pulled, in \d tries: No such image: .*; swarm says so too when the registry wants a login`,
	},
	{
		name: "pull hangs", what: "first deploy; the registry begins to answer and never ends; `--pull-timeout` of 3 s",
		then: compose("held"), world: (*scene).heldImage, limits: Limits{Pull: 3 * time.Second}, verdict: TimedOut, state: StatePrevious, exit: 5,
		reason: `pulling images took longer than 3s: service app is pulling with 0 of 1 tasks: on \S+`,
	},
	{
		name: "no node fits", what: "update; a placement constraint that no node meets; limit of 4 s",
		before: compose("1"), then: compose("2", "replicas: 1", "replicas: 1\n      placement: {constraints: [node.labels.moon == yes]}"),
		limits: Limits{Converge: 4 * time.Second}, verdict: TimedOut, state: StatePrevious, exit: 5,
		reason: `converging took longer than 4s: service app is starting with 0 of 1 tasks: no suitable node`,
	},
	{
		name: "port taken, host", what: "first deploy; another service has the port, `mode: host`; limit of 4 s",
		then:  compose("1", "networks: [internal]", "networks: [internal]\n    ports: [{target: 80, published: 18080, mode: host}]"),
		world: func(s *scene) { s.takePort(18080, swarm.PortConfigPublishModeHost) }, limits: Limits{Converge: 4 * time.Second},
		verdict: TimedOut, state: StatePrevious, exit: 5, reason: `no suitable node \(host-mode port already in use`,
	},
	{
		name: "port taken, ingress", what: "first deploy; another service has the port, `mode: ingress`",
		then:    compose("1", "networks: [internal]", "networks: [internal]\n    ports: [{target: 80, published: 18081, mode: ingress}]"),
		world:   func(s *scene) { s.takePort(18081, swarm.PortConfigPublishModeIngress) },
		verdict: Failed, state: StatePrevious, exit: 5, reason: `port '18081' is already in use by service`,
	},
	{
		name: "paused since yesterday", what: "an update by hand failed and left `paused`; a good version is deployed",
		before: compose("1"), then: compose("2"), yesterday: (*scene).pauseByHand, verdict: Converged, state: StateNew,
	},
	{
		name: "stop-first, not begun", what: "update; for 3 s the old containers do not stop, and all of them are up",
		before: compose("1", "MODE: serve", "MODE: stubborn", "stop_grace_period: 1s", "stop_grace_period: 3s"), then: compose("2"), verdict: Converged, state: StateNew,
	},
	{
		name: "one of three, tolerated", what: "update of three replicas; one is never healthy; `max_failure_ratio: 0.5`, `order: start-first`",
		before: compose("1", "replicas: 1", "replicas: 3"), then: compose("2", three("failure_action: pause, order: start-first, max_failure_ratio: 0.5")...),
		verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `.*` + sickSays,
	},
	{
		name: "one of three, all at once", what: "the same with `parallelism: 0`, and no failure tolerated",
		before: compose("1", "replicas: 1", "replicas: 3"), then: compose("2", three("failure_action: pause, parallelism: 0")...),
		verdict: Failed, state: StatePrevious, exit: 5, reason: `swarm paused the update: .*` + sickSays,
	},
	{
		name: "delay between batches", what: "update of three replicas with `delay: 1s` between them",
		before: compose("1", "replicas: 1", "replicas: 3"), then: compose("2", "replicas: 1", "replicas: 3", "order: stop-first", "order: stop-first, delay: 1s"),
		verdict: Converged, state: StateNew,
	},
	{
		name: "global service", what: "first deploy of a service with `mode: global`",
		then: compose("1", "replicas: 1", "mode: global"), verdict: Converged, state: StateNew,
	},
	{
		name: "global service fails", what: "the same; the container ends with exit code 1",
		then: compose("1", "replicas: 1", "mode: global", "MODE: serve", "MODE: exit1"), verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `task: non-zero exit \(1\)`,
	},
	{
		name: "replicated job", what: "first deploy of a `replicated-job` that ends with exit code 0",
		then: asJobText("replicated-job", "exit0"), verdict: Converged, state: StateNew,
	},
	{
		name: "replicated job fails", what: "the same with exit code 1, under `condition: none`",
		then: asJobText("replicated-job", "exit1"), verdict: Failed, state: StatePrevious, exit: 5, reason: `swarm does not start it again: task: non-zero exit \(1\)`,
	},
	{
		name: "global job", what: "first deploy of a `global-job` that ends with exit code 0",
		then: asJobText("global-job", "exit0"), verdict: Converged, state: StateNew,
	},
	{
		name: "global job fails", what: "the same with exit code 1, under `condition: none`",
		then: asJobText("global-job", "exit1"), verdict: Failed, state: StatePrevious, exit: 5, reason: `swarm does not start it again: task: non-zero exit \(1\)`,
	},
	{
		name: "no replicas", what: "first deploy of a service with `replicas: 0`",
		then: compose("1", "replicas: 1", "replicas: 0"), verdict: Converged, state: StateNew,
	},
	{
		name: "node drained", what: "update under `failure_action: continue`; the only node is drained meanwhile, and active again when the deploy has failed; limit of 8 s",
		before: compose("1"), then: compose("2", append(slow[:len(slow):len(slow)], "failure_action: pause", "failure_action: continue")...), alone: true, during: (*scene).drain, limits: Limits{Converge: 8 * time.Second},
		verdict: TimedOut, state: StatePrevious, exit: 5, reason: `converging took longer than 8s: service app is starting with 0 of 1 tasks: no suitable node`,
	},
	{
		name: "engine restarted", what: "update; the engine is restarted meanwhile, and every container with it",
		before: compose("1"), then: compose("2", slow...), alone: true, during: (*scene).restart, verdict: Converged, state: StateNew,
	},
	{
		name: "ctrl-C", what: "update; the deploying client gets SIGINT meanwhile",
		before: compose("1"), then: compose("2", slow...), during: func(s *scene) { s.interrupt() }, verdict: Stopped, state: StatePrevious, exit: 5, reason: `interrupted by the user`,
	},
	{
		name: "kill -9", what: "update; the deploying client is killed meanwhile; galley's answer is that of the next deploy, of a version that fails",
		before: compose("1"), then: compose("2", slow...), galley: (*scene).killed, during: func(s *scene) { s.kill() },
		verdict: Failed, state: StatePrevious, exit: 5, reason: threeFail + `task: non-zero exit \(1\)`,
	},
	{
		name: "another operator", what: "update; someone else changes the service's environment meanwhile",
		before: compose("1"), then: compose("2", slow...), during: (*scene).meddle, verdict: Failed, state: StatePrevious, exit: 5, reason: `service app: someone else changed it during the deploy`,
	},
	{
		name: "rolled back by hand", what: "update; someone else runs `docker service rollback` meanwhile",
		before: compose("1"), then: compose("2", slow...), during: (*scene).rollBack, verdict: RolledBack, state: StatePrevious, exit: 5, reason: `service app: swarm rolled the update back: `,
	},
	{
		name: "removed by hand", what: "update; someone else removes the service meanwhile",
		before: compose("1"), then: compose("2", slow...), during: (*scene).remove, verdict: Failed, state: StatePrevious, exit: 5, reason: `the service .* is gone: someone removed it`,
	},
}

// besideApp adds a second service to the test recipe, on the volume of the first.
func besideApp(text, mode string) string {
	text = twoServices(withNetwork(text), mode)
	return strings.Replace(text, "    networks: [internal, second]\n", "    networks: [internal, second]\n    volumes: [\"data:/data\"]\n", 1)
}
