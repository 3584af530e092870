package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// keptConfigs is how many configs that nothing names any more a converged deploy may
// leave; the soak's recipe has one, in many versions.
const keptConfigs = 3

// keptRecords is how long a stack's history may be.
const keptRecords = 20

// brokenPipe is the exit code of a program whose reader went away.
const brokenPipe = 128 + 13

// allowed are the exit codes that a step may end with. 6 stands where somebody made
// it impossible to put the stack back, or to know: the second ctrl-C, after which
// nobody waits for the tasks, the third, after which nothing more is written, and
// other hands that take away the lock, a service, or the contents of a config.
func (s step) allowed(acted bool) []int {
	end := 5
	if s.target.good {
		end = 0
	}
	if !acted && s.fault != closedOutput {
		return []int{end}
	}
	switch s.fault {
	case readOnly:
		return []int{3}
	case tampered:
		return []int{4}
	case spoiled:
		return []int{5}
	case registryDown:
		return []int{end, 5}
	case interruptOnce:
		return []int{end, 5, 130}
	case interruptTwice, interruptThrice:
		return []int{end, 5, 6, 130}
	case cutNetwork, lostAnswers:
		return []int{end, 3, 5}
	case foreignLabels, foreignScale, foreignRollback:
		return []int{end, 3, 5}
	case lockRemoved, serviceRemoved, configRemoved:
		return []int{end, 3, 5, 6}
	case closedOutput:
		return []int{end, brokenPipe}
	case twins: // the other one is refused
		return []int{0, 3}
	}
	return []int{end}
}

// judge compares what galley said of a step with what the engine has. Each line
// that it returns is something false.
func (a *app) judge(ctx context.Context, r *ran) []string {
	if r.step.fault == undeploy {
		return a.judgeUndeploy(r)
	}
	j := &judgement{app: a, ran: r, last: lastNumber(r.before)}
	for _, record := range r.after.history {
		if record.Number > j.last {
			j.records = append(j.records, record)
		}
	}
	j.codes()
	j.history()
	j.state(ctx)
	j.leftovers()
	j.envFiles()
	return j.wrong
}

type judgement struct {
	*app
	*ran
	last    int      // number of the last record before
	records []record // those of the step, oldest first
	wrong   []string
}

func (j *judgement) say(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

func lastNumber(s *state) int {
	if len(s.history) == 0 {
		return 0
	}
	return s.history[len(s.history)-1].Number
}

// codes checks the exit codes by themselves, and what the JSON answer says of each.
func (j *judgement) codes() {
	acted := !j.acted.IsZero() || j.step.fault == readOnly
	if j.step.fault == twins && !j.ended(0) {
		j.say("none of two deploys came through")
	}
	for _, e := range j.exits {
		if allowed := j.step.allowed(acted && j.step.fault != killed); !slices.Contains(allowed, e.code) {
			j.say("exit code %d, expected one of %v", e.code, allowed)
		}
		o := e.outcome
		switch {
		case e.code == 0 && (o.Verdict != "converged" || o.State != "new") && j.step.fault != closedOutput:
			j.say("exit code 0, and the answer says %q, state %q", o.Verdict, o.State)
		case e.code == 5 && (o.Verdict == "converged" || o.State != "previous") && j.step.fault != closedOutput:
			j.say("exit code 5, and the answer says %q, state %q", o.Verdict, o.State)
		case e.code == 6 && o.State != "mixed" && o.State != "unknown" && o.Error.Message == "":
			j.say("exit code 6, and the answer says %q, state %q", o.Verdict, o.State)
		case (e.code == 3 || e.code == 4 || e.code == 130) && o.Error.Message == "" && !e.early:
			j.say("exit code %d without an error", e.code)
		}
	}
}

// history checks that the records of the step say what the processes said.
func (j *judgement) history() {
	said := map[string]int{}
	for _, e := range j.exits {
		switch e.code {
		case 0:
			said["new"]++
		case 5:
			said["previous"]++
		}
	}
	wrote := map[string]int{}
	for i, r := range j.records {
		if i == 0 && len(j.records) > len(j.exits) && strings.HasPrefix(j.note, "killed on the way to "+r.To+";") {
			continue // it had told its end, and was killed while it cleared up
		}
		wrote[r.State]++
		if i > 0 && r.Number == j.records[i-1].Number {
			j.say("two history records have the number %d", r.Number)
		}
		if (r.Verdict == "converged") != (r.State == "new") {
			j.say("history: verdict %q with state %q", r.Verdict, r.State)
		}
	}
	if !j.ended(6) && !j.ended(brokenPipe) && (said["new"] != wrote["new"] || said["previous"] != wrote["previous"]) {
		j.say("galley said %v, and the history %v", said, wrote)
	}
	if len(j.after.history) > keptRecords {
		j.say("the history has %d records", len(j.after.history))
	}
}

func (j *judgement) ended(code int) bool {
	return slices.ContainsFunc(j.exits, func(e exited) bool { return e.code == code })
}

// standing is the version that should stand now, nil for what stood before.
func (j *judgement) standing() *version {
	for i := len(j.records) - 1; i >= 0; i-- {
		if j.records[i].State != "new" {
			continue
		}
		for _, v := range versions {
			if v.name == j.records[i].To {
				return &v
			}
		}
	}
	return nil
}

// state decides from the engine alone what the stack is, and compares.
func (j *judgement) state(ctx context.Context) {
	j.wrong = append(j.wrong, lost(j.base, j.after)...)
	v := j.standing()
	j.current = ""
	if j.ended(6) && j.step.fault == interruptTwice {
		// The second ctrl-C stops the waiting, and not the writing.
		for _, d := range differences(j.base, j.after, tolerance{}) {
			if strings.HasPrefix(d, "service ") {
				j.say("the old specs should stand: %s", d)
			}
		}
	}
	if j.ended(6) || j.late() {
		return // nobody claims to know: the next deploy must put that right
	}
	var found []string
	if v != nil {
		found = append(j.after.isVersion(*v, j.stack, j.recipe, j.images, j.ignore), j.references.unlike(v.name, j.stack, j.recipe, j.after, j.ignore)...)
		if len(found) == 0 && j.step.fault == none {
			j.references.learn(v.name, j.stack, j.recipe, j.after)
		}
	} else {
		found = differences(j.base, j.after, j.ignore)
	}
	if down, err := j.after.up(ctx, j.api, j.images); (v != nil || !j.unwell) && !j.ignore.byHand() {
		found = append(found, down...)
		if err != nil {
			found = append(found, err.Error())
		}
	}
	for _, f := range found {
		what := "the old state"
		if v != nil {
			what = "version " + v.name
		}
		j.say("it is not %s: %s", what, f)
	}
	switch {
	case len(found) > 0 || j.ignore.byHand():
	case v != nil:
		j.current = v.name
	case j.version(j.home) != "" && len(j.after.services) > 0:
		j.current = j.version(j.home)
	}
}

// late tells what other hands did after galley had looked for the last time.
func (j *judgement) late() bool {
	if !j.ignore.byHand() || j.acted.IsZero() || len(j.records) == 0 {
		return false
	}
	return j.acted.After(j.records[len(j.records)-1].created.Add(-time.Second))
}
