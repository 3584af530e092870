package server

import (
	"context"
	"fmt"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// StepState is how a step found what it is about, and left it.
type StepState string

// The states of a step.
const (
	// StepOK: it was as it should be, and nothing was changed.
	StepOK StepState = "ok"
	// StepChanged: it is now.
	StepChanged StepState = "changed"
	// StepPlanned: a dry run would have changed it.
	StepPlanned StepState = "would change"
)

// Command is one of a step's commands. Those that only read are run in a dry run, too.
type Command struct {
	Text  string `json:"command"`
	Reads bool   `json:"reads"`
	Ran   bool   `json:"ran"`
}

// Step is one thing that a machine must have.
type Step struct {
	Name     string    `json:"step"`
	State    StepState `json:"state"`
	Detail   string    `json:"detail"` // what was found or done, in a few words
	Commands []Command `json:"commands"`
}

// Teller is told what happens, as it happens. Any of its functions may be nil.
type Teller struct {
	// Began is called with a step's name, Runs with each command before it is run, and
	// Ended with the step when it is done.
	Began func(step string)
	Runs  func(Command)
	Ended func(Step)
	// Confirm asks the operator before something that others may notice. An error is a
	// no. Where there is none, nobody is asked.
	Confirm func(ctx context.Context, question string) error
}

// Tell tells of a step that had no commands on the machine.
func (t Teller) Tell(step Step) {
	if t.Began != nil {
		t.Began(step.Name)
	}
	if t.Ended != nil {
		t.Ended(step)
	}
}

// work is a list of steps that is gone through on one machine.
type work struct {
	remote
	teller Teller
	dry    bool

	systemd bool
	user    string
	steps   []Step
}

// step is one of a machine's steps: do tells in a few words how it stands.
type step struct {
	name string
	do   func(ctx context.Context, w *work) (detail string, err error)
}

// through does the steps in their order, up to the first that fails. What was done
// before stays: the next run finds it so.
func (w *work) through(ctx context.Context, steps []step) error {
	for _, s := range steps {
		w.steps = append(w.steps, Step{Name: s.name, State: StepOK, Commands: []Command{}})
		if w.teller.Began != nil {
			w.teller.Began(s.name)
		}
		detail, err := s.do(ctx, w)
		if err != nil {
			return w.stopped(ctx, s.name, err)
		}
		now := w.current()
		now.Detail = detail
		if w.teller.Ended != nil {
			w.teller.Ended(*now)
		}
	}
	return nil
}

// stopped says at which step it ended, and that it can be gone on with.
func (w *work) stopped(ctx context.Context, name string, err error) error {
	changed := 0
	for _, s := range w.steps {
		if s.State == StepChanged {
			changed++
		}
	}
	err = fmt.Errorf("%s: %w", name, err)
	switch {
	case ctx.Err() != nil && changed == 0:
		return fault.New(fault.Interrupted, "%s: interrupted; nothing was changed", name)
	case ctx.Err() != nil:
		err = fault.New(fault.Interrupted, "%s: interrupted; %d of the steps changed something, and that stays", name, changed)
		return fault.Hint(err, "the same command goes on from there")
	case fault.HintOf(err) == "" && changed > 0:
		return fault.Hint(err, "what was done before stays; when the reason is gone, the same command goes on from there")
	}
	return err
}

func (w *work) current() *Step { return &w.steps[len(w.steps)-1] }

const (
	// readTime is enough for a command that looks.
	readTime = 30 * time.Second
	// changeTime is enough for a small change, startTime for an engine's start.
	changeTime = time.Minute
	startTime  = 2 * time.Minute
	// updateTime and installTime are for package lists and packages over slow lines.
	updateTime  = 5 * time.Minute
	installTime = 20 * time.Minute
)

// told notes a command and tells of it. It says whether the command is to be run.
func (w *work) told(c Command) bool {
	c.Ran = c.Reads || !w.dry
	now := w.current()
	now.Commands = append(now.Commands, c)
	if !c.Reads {
		now.State = StepChanged
		if w.dry {
			now.State = StepPlanned
		}
	}
	if w.teller.Runs != nil {
		w.teller.Runs(c)
	}
	return c.Ran
}

// read runs a command that only looks, and returns what it printed.
func (w *work) read(ctx context.Context, text string) (string, error) {
	w.told(Command{Text: text, Reads: true})
	return w.run(ctx, script{text: text, deadline: readTime})
}

// look is read for a command whose failing is an answer.
func (w *work) look(ctx context.Context, text string) (out string, ok bool, err error) {
	out, err = w.read(ctx, text)
	if ran(err) {
		return out, false, nil
	}
	return out, err == nil, err
}

// change runs a command that changes the machine.
func (w *work) change(ctx context.Context, text string, deadline time.Duration) error {
	if !w.told(Command{Text: text}) {
		return nil
	}
	_, err := w.run(ctx, script{text: text, deadline: deadline})
	return err
}

// put runs a command that changes the machine and reads data, and returns what it
// printed.
func (w *work) put(ctx context.Context, text string, data []byte) (string, error) {
	if !w.told(Command{Text: text}) {
		return "", nil
	}
	return w.run(ctx, script{text: text, deadline: changeTime, input: data})
}

// confirm asks before something that others may notice; in a dry run nothing is.
func (w *work) confirm(ctx context.Context, question string) error {
	if w.dry || w.teller.Confirm == nil {
		return nil
	}
	return w.teller.Confirm(ctx, question)
}
