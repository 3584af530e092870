package main

import (
	"context"

	"github.com/galley-coop/galley/deployer/server"
)

// machineFlags are of the commands that change machines over ssh.
type machineFlags struct {
	HostKey       []string `help:"Fingerprint (SHA256:…) of the machine's ssh host key, when known_hosts does not have it yet; may be given again." placeholder:"FINGERPRINT"`
	AdvertiseAddr string   `help:"Address or interface at which the swarm's other nodes reach the machine (default: the interface of its default route)." placeholder:"ADDRESS"`
	DryRun        bool     `help:"Print the commands, and run only those that look."`
	Yes           bool     `short:"y" help:"Do not ask."`
}

// teller prints each step's commands before they are run, and how the step ended. Where
// the answer is a document they go to standard error.
func (c machineFlags) teller(s *streams, noInput bool) server.Teller {
	say := s.printf
	if s.json {
		say = s.notef
	}
	t := server.Teller{
		Began: func(step string) { say("%s\n", step) },
		Runs: func(command server.Command) {
			verb := "run "
			switch {
			case command.Reads:
				verb = "look"
			case !command.Ran:
				verb = "would run"
			}
			say("    %s  %s\n", verb, command.Text)
		},
		Ended: func(step server.Step) {
			if step.Detail == "" || step.State == server.StepPlanned {
				say("  %s\n", step.State)
				return
			}
			say("  %s: %s\n", step.State, oneLine(step.Detail))
		},
	}
	if !c.Yes {
		t.Confirm = func(ctx context.Context, question string) error {
			return s.confirm(ctx, question, "--yes", noInput)
		}
	}
	return t
}

// machineAnswer is what a bootstrap or a join did.
type machineAnswer struct {
	Server  string        `json:"server"`
	Machine string        `json:"machine"`
	DryRun  bool          `json:"dry_run"`
	Changed int           `json:"changed"` // steps that changed something, or would
	Steps   []server.Step `json:"steps"`
}

func (c machineFlags) answer(s *streams, name, machine string, steps []server.Step) error {
	a := machineAnswer{Server: name, Machine: machine, DryRun: c.DryRun, Steps: steps}
	for _, step := range steps {
		if step.State != server.StepOK {
			a.Changed++
		}
	}
	if s.json {
		return s.printJSON(a)
	}
	switch {
	case a.Changed == 0:
		s.printf("%s is as it should be; nothing was changed\n", machine)
	case c.DryRun:
		s.printf("%s: %s would change something\n", machine, count(a.Changed, "step"))
	default:
		s.printf("%s: %s changed something\n", machine, count(a.Changed, "step"))
	}
	return nil
}
