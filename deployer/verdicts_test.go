package deployer

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// verdictDocs is where the cases are told to operators.
const verdictDocs = "../docs/verdicts.md"

var (
	writeVerdicts = flag.Bool("verdicts", false, "write galley's columns of "+verdictDocs)
	dockerCLI     = flag.String("docker", "", "the docker CLI that runs the cases, too, and whose columns are written")
)

// TestVerdicts runs every case of the table with galley, checks its outcome, and
// compares it with the line in docs/verdicts.md. With -verdicts the line is written,
// and with -docker the docker CLI runs it, too.
func TestVerdicts(t *testing.T) {
	docs := readVerdicts(t)
	t.Run("case", func(t *testing.T) {
		for _, c := range verdictCases {
			t.Run(c.slug(), func(t *testing.T) {
				t.Parallel()
				// Each client in a test of its own: what one leaves is gone before the other.
				t.Run("galley", func(t *testing.T) {
					cells := newScene(t, c, "").judgeGalley().cells()
					if *writeVerdicts {
						docs.set(t, c, galleyColumn, cells)
						return
					}
					docs.compare(t, c, cells)
				})
				if *dockerCLI == "" {
					return
				}
				t.Run("docker", func(t *testing.T) {
					docs.set(t, c, dockerColumn, newScene(t, c, "-cli").judgeDocker().cells())
				})
			})
		}
	})
}

func (c verdictCase) slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(c.name) }

// galleyCell is what galley made of a case.
type galleyCell struct {
	verdict Verdict
	state   StateAfter
	exit    int
	reason  string
}

func (g galleyCell) cells() []string {
	return []string{fmt.Sprintf("**%s**, %s, %d", g.verdict, g.state, g.exit), quoted(g.reason)}
}

// judgeGalley runs the case and checks that the outcome is the expected one, and
// that it is true.
func (s *scene) judgeGalley() galleyCell {
	s.t.Helper()
	before := ""
	if s.c.before != "" {
		s.converges(s.desired("1.0.0+1", s.text(s.c.before)))
		if s.c.yesterday != nil {
			s.c.yesterday(s)
		}
		before = s.standing()
	}
	s.events = nil
	done := s.record()
	o := s.runGalley(s.desired("2.0.0+2", s.text(s.c.then), "CONF_VERSION", "v2"))
	s.ends(o, s.c.verdict, s.c.state)
	done(o)
	kind, good := o.Kind()
	cell := galleyCell{o.Verdict, o.State, 0, s.short(o.Reason)}
	if !good {
		cell.exit = kind.ExitCode()
	}
	if cell.exit != s.c.exit {
		s.t.Errorf("exit code %d, want %d", cell.exit, s.c.exit)
	}
	if record := s.lastRecord(); record.Verdict != o.Verdict || record.State != o.State {
		s.t.Errorf("the record says %+v", record)
	}
	s.isTrue(o, before)
	if strings.Contains(s.c.reason, sickSays) {
		s.tellsTheTask(o)
	}
	return cell
}

func (s *scene) runGalley(then *Desired) Outcome {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	if s.c.galley != nil {
		return s.c.galley(s, then)
	}
	s.interrupt = cancel
	wait := s.disturb(s.t.Context())
	o := s.deployUntil(ctx, then, func(o *DeployOptions) {
		if s.c.limits.Converge > 0 {
			o.Limits.Converge = s.c.limits.Converge
		}
		if s.c.limits.Pull > 0 {
			o.Limits.Pull = s.c.limits.Pull
		}
	})
	close(s.ended)
	wait()
	return o
}

// isTrue looks at the engine itself.
func (s *scene) isTrue(o Outcome, before string) {
	s.t.Helper()
	if o.State == StatePrevious {
		s.isBack(before)
		if before != "" {
			s.serves()
		}
		return
	}
	s.noRecords(recordLock, recordJournal)
	s.serves()
	if text := s.standing(); text == before || !strings.Contains(text, "config "+s.stack+"_conf_v2") {
		s.t.Errorf("what stands is not the new version:\n%s", text)
	}
}

// tellsTheTask checks what is told of a task that was never healthy.
func (s *scene) tellsTheTask(o Outcome) {
	s.t.Helper()
	if len(o.Failures) != 1 {
		s.t.Fatalf("failures %+v", o.Failures)
	}
	f := o.Failures[0]
	if f.Service != s.stack+"_app" || !strings.Contains(f.Error, "stopped for its health check") || f.Health != "the app is not well" || !strings.HasPrefix(strings.Join(f.Logs, "|"), "started as ") {
		s.t.Errorf("the failing task is told as %+v", f)
	}
}

// short is the part of a reason that the case expects, without what differs from
// run to run.
func (s *scene) short(reason string) string {
	s.t.Helper()
	text := s.plain(reason)
	if s.c.reason == "" {
		if text != "" {
			s.t.Errorf("reason %q, want none", text)
		}
		return ""
	}
	found := regexp.MustCompile(s.c.reason).FindString(text)
	if found == "" {
		s.t.Errorf("reason %q, want %q in it\n%s", text, s.c.reason, strings.Join(s.events, "\n"))
	}
	return found
}

var (
	digests   = regexp.MustCompile(`@sha256:[0-9a-f]{64}`)
	swarmIDs  = regexp.MustCompile(`\b[0-9a-z]{25}\b`)
	addresses = regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+:\d+\b`)
	tries     = regexp.MustCompile(`\b(failed|in) [3-9] (times|tries)\b`)
	onHost    = regexp.MustCompile(`: on \S+`)
)

// plain is a text of an engine without names that only this run knows.
func (s *scene) plain(text string) string {
	text = strings.NewReplacer("other-"+s.stack, "other", s.stack+"_", "").Replace(text)
	text = digests.ReplaceAllString(text, "")
	text = swarmIDs.ReplaceAllString(text, "…")
	text = addresses.ReplaceAllString(text, "registry.example.org")
	text = tries.ReplaceAllString(text, "$1 3 $2") // a fourth may come before the third is seen
	return onHost.ReplaceAllString(text, ": on node-1")
}
