package soak

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// leftovers checks what a deploy may not leave.
func (j *judgement) leftovers() {
	if j.after.lock != "" && !(j.ended(6) && j.step.fault == interruptThrice) {
		j.say("the lock is left")
	}
	if j.after.journal != "" && !j.ended(6) {
		j.say("the journal is left")
	}
	if j.standing() == nil || slices.Contains([]fault{slowNetwork, cutNetwork, lostAnswers, interruptThrice}, j.step.fault) {
		return // pruned is after convergence, and what cannot be reached is pruned next time
	}
	used := j.after.named(func(x swarm.Service) *swarm.ServiceSpec { return &x.Spec })
	previous := j.after.named(func(x swarm.Service) *swarm.ServiceSpec { return x.PreviousSpec })
	unused := []string{}
	for name := range j.after.configs {
		if !used[name] && !previous[name] {
			unused = append(unused, name)
		}
	}
	most := keptConfigs
	if j.step.fault == foreignLabel || j.step.fault == foreignScale || j.step.fault == foreignRollback {
		most++ // what swarm would have rolled back to is forgotten with a write by other hands
	}
	if len(unused) > most {
		slices.Sort(unused)
		j.say("%d configs are named by nothing, more than %d: %s", len(unused), most, strings.Join(unused, ", "))
	}
}

// envFiles checks that an env file names the version that its operator brought,
// and nothing else.
func (j *judgement) envFiles() {
	for home, before := range j.envs {
		want, sure := before, true
		for _, e := range j.exits {
			switch {
			case e.home != home:
			case e.code == 0, e.code == brokenPipe && j.standing() != nil:
				want = e.wanted.name
			case e.code == 6:
				sure = false
			}
		}
		if got := j.version(home); sure && got != want {
			j.say("the env file names version %q, expected %q", got, want)
		}
	}
}

func (a *app) judgeUndeploy(r *ran) []string {
	wrong := lost(r.before, r.after)
	stood := len(r.before.services)+len(r.before.configs)+len(r.before.networks) > 0
	want := 3
	if stood {
		want = 0
	}
	if r.exits[0].code != want {
		wrong = append(wrong, fmt.Sprintf("exit code %d, expected %d", r.exits[0].code, want))
	}
	if n := len(r.after.services) + len(r.after.configs) + len(r.after.networks); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d objects of the stack are left", n))
	}
	if r.after.lock != "" || r.after.journal != "" {
		wrong = append(wrong, "the lock or the journal is left")
	}
	last := len(r.after.history) - 1
	if stood && (last < 0 || r.after.history[last].Operation != "undeploy" || r.after.history[last].Number <= lastNumber(r.before)) {
		wrong = append(wrong, "the history does not tell of it")
	}
	a.current = ""
	return wrong
}
