package deployer

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// Sequences are what watches really saw, recorded from an engine and replayed
// without one: `go test ./deployer -run TestVerdicts -record` writes those of the
// cases below. They hold what judge reads, and nothing else; a look that saw the
// same as the one before is left out. Times are in seconds after the watch began.
var recordSequences = flag.Bool("record", false, "write testdata/sequences, of the cases that TestVerdicts runs")

// recorded are the cases whose sequences are kept, and how often what was judged
// changes in each at least: a recording that missed what it is for is no use.
var recorded = map[string]int{
	"slow start": 3, "health check fails, rollback": 2, "health check fails, pause": 2, "health check fails, continue": 3,
	"crash loop": 2, "exits 0, no restart": 2, "image missing": 2, "waits for its database": 4, "dies after the monitor time": 4,
	"paused since yesterday": 3, "stop-first, not begun": 3, "one of three, tolerated": 4, "delay between batches": 4,
	"global service": 2, "replicated job": 2, "engine restarted": 4, "node drained": 1, "another operator": 2,
	"rolled back by hand": 2, "no node fits": 1,
}

type sequence struct {
	Case    string             `json:"case"`
	Verdict Verdict            `json:"verdict"` // "" when a limit or a signal ended it
	Want    map[string]seqWant `json:"want"`    // by service
	Looks   []seqLook          `json:"looks"`
}

type seqWant struct {
	New      bool     `json:"new,omitempty"`
	Restarts bool     `json:"restarts,omitempty"`
	Job      bool     `json:"job,omitempty"`
	Monitor  float64  `json:"monitor"`
	Prior    float64  `json:"prior,omitempty"` // an update began that long before
	Known    []string `json:"known,omitempty"`
}

type seqLook struct {
	At       float64               `json:"at"`
	Services map[string]seqService `json:"services"`
}

type seqService struct {
	Phase   Phase      `json:"phase"` // as judged, to be judged again
	Running int        `json:"running"`
	Mode    string     `json:"mode"`
	Slots   int        `json:"slots"`
	Restart string     `json:"restart,omitempty"` // the policy's condition
	Run     uint64     `json:"run,omitempty"`     // of a job
	Foreign bool       `json:"foreign,omitempty"`
	Update  *seqUpdate `json:"update,omitempty"`
	Tasks   []seqTask  `json:"tasks"`
}

type seqUpdate struct {
	State   swarm.UpdateState `json:"state"`
	Started float64           `json:"started"`
	Message string            `json:"message"`
}

type seqTask struct {
	ID      string          `json:"id"`
	Slot    int             `json:"slot,omitempty"`
	Node    string          `json:"node,omitempty"`
	State   swarm.TaskState `json:"state"`
	Desired swarm.TaskState `json:"desired"`
	Created float64         `json:"created"`
	Changed float64         `json:"changed"`
	Err     string          `json:"err,omitempty"`
	Run     *uint64         `json:"run,omitempty"`
}

// recorder is what the looks of one watch are written down with.
type recorder struct {
	s    *scene
	seq  sequence
	from time.Time
	ids  map[string]string
}

// record writes down the watch of a case that is kept. The answer writes the file.
func (s *scene) record() (done func(Outcome)) {
	if _, kept := recorded[s.c.name]; !*recordSequences || !kept {
		return func(Outcome) {}
	}
	r := &recorder{s: s, ids: map[string]string{}, seq: sequence{Case: s.c.name, Want: map[string]seqWant{}}}
	s.looked = r.look
	return func(o Outcome) {
		r.seq.Verdict = judged(o.Verdict)
		if err := os.WriteFile(r.seq.path(), r.seq.text(), 0o644); err != nil {
			s.t.Error(err)
		}
	}
}

// judged is a verdict that conclude comes to, "" for what ends a watch otherwise.
func judged(v Verdict) Verdict {
	if v == TimedOut || v == Stopped {
		return ""
	}
	return v
}

func (q sequence) path() string {
	return filepath.Join("testdata", "sequences", verdictCase{name: q.Case}.slug()+".json")
}

// text is the sequence with one line for each look.
func (q sequence) text() []byte {
	looks := q.Looks
	q.Looks = nil
	text, err := json.Marshal(q)
	if err != nil {
		panic(err) // a type that cannot be encoded
	}
	out := strings.TrimSuffix(string(text), `null}`) + "[\n"
	for i, look := range looks {
		line, err := json.Marshal(look)
		if err != nil {
			panic(err)
		}
		out += string(line)
		if i < len(looks)-1 {
			out += ","
		}
		out += "\n"
	}
	return []byte(out + "]}\n")
}

func (r *recorder) look(w *watch, seen map[string]Observation, now time.Time) {
	if w.stage != "watch" {
		return
	}
	if r.from.IsZero() {
		for id, want := range w.want {
			r.from = want.From
			r.seq.Want[r.name(w.names[id])] = r.want(want, seen[w.names[id]])
		}
	}
	look := seqLook{At: r.seconds(now), Services: map[string]seqService{}}
	for id, name := range w.names {
		if o, ok := seen[name]; ok {
			look.Services[r.name(name)] = r.service(o, w.want[id], now)
		}
	}
	if n := len(r.seq.Looks); n > 0 && sameLook(r.seq.Looks[n-1], look) {
		return
	}
	r.seq.Looks = append(r.seq.Looks, look)
}

func sameLook(a, b seqLook) bool {
	x, errX := json.Marshal(a.Services)
	y, errY := json.Marshal(b.Services)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (r *recorder) name(full string) string { return strings.TrimPrefix(full, r.s.stack+"_") }

func (r *recorder) seconds(t time.Time) float64 {
	return math.Round(t.Sub(r.from).Seconds()*1000) / 1000
}

// id is a short name for an ID of the engine.
func (r *recorder) id(kind, id string) string {
	if id == "" {
		return ""
	}
	if r.ids[kind+id] == "" {
		n := 1
		for key := range r.ids {
			if strings.HasPrefix(key, kind) {
				n++
			}
		}
		r.ids[kind+id] = fmt.Sprint(kind, n)
	}
	return r.ids[kind+id]
}

func (r *recorder) want(want Expectation, o Observation) seqWant {
	w := seqWant{New: want.New, Restarts: want.Restarts, Job: want.Job, Monitor: want.Monitor.Seconds()}
	if !want.Prior.IsZero() {
		w.Prior = r.seconds(want.Prior)
	}
	for _, t := range o.Tasks {
		if want.Known[t.ID] {
			w.Known = append(w.Known, r.id("t", t.ID))
		}
	}
	return w
}

func (r *recorder) service(o Observation, want Expectation, now time.Time) seqService {
	p := judge(o, want, now)
	s := seqService{Phase: p.Phase, Running: p.Running, Mode: modeName(o.Service.Spec.Mode), Slots: o.Slots, Foreign: o.Foreign, Tasks: []seqTask{}}
	if policy := o.Service.Spec.TaskTemplate.RestartPolicy; policy != nil {
		s.Restart = string(policy.Condition)
	}
	if job := o.Service.JobStatus; job != nil {
		s.Run = job.JobIteration.Index
	}
	if u := o.Service.UpdateStatus; u != nil && u.StartedAt != nil {
		s.Update = &seqUpdate{State: u.State, Started: r.seconds(*u.StartedAt), Message: r.s.plain(u.Message)}
	}
	for _, t := range o.Tasks {
		task := seqTask{
			ID: r.id("t", t.ID), Slot: t.Slot, Node: r.id("n", t.NodeID), State: t.Status.State, Desired: t.DesiredState,
			Created: r.seconds(t.CreatedAt), Changed: r.seconds(changedAt(&t)), Err: r.s.plain(t.Status.Err),
		}
		if t.JobIteration != nil {
			task.Run = &t.JobIteration.Index
		}
		s.Tasks = append(s.Tasks, task)
	}
	slices.SortFunc(s.Tasks, func(a, b seqTask) int { return strings.Compare(a.ID, b.ID) })
	return s
}

func (w seqWant) expectation() Expectation {
	want := Expectation{
		New: w.New, Restarts: w.Restarts, Job: w.Job, Monitor: time.Duration(w.Monitor * float64(time.Second)), From: zero, Known: map[string]bool{},
	}
	if w.Prior != 0 {
		want.Prior = sec(w.Prior)
	}
	for _, id := range w.Known {
		want.Known[id] = true
	}
	return want
}

func (s seqService) observation() Observation {
	o := Observation{Slots: s.Slots, Foreign: s.Foreign}
	switch s.Mode {
	case "global":
		o.Service.Spec.Mode.Global = &swarm.GlobalService{}
	case "replicated-job":
		o.Service.Spec.Mode.ReplicatedJob = &swarm.ReplicatedJob{}
	case "global-job":
		o.Service.Spec.Mode.GlobalJob = &swarm.GlobalJob{}
	}
	o.Service.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyCondition(s.Restart)}
	o.Service.JobStatus = &swarm.JobStatus{JobIteration: swarm.Version{Index: s.Run}}
	if u := s.Update; u != nil {
		o.Service.UpdateStatus = &swarm.UpdateStatus{State: u.State, StartedAt: ptr(sec(u.Started)), Message: u.Message}
	}
	for _, t := range s.Tasks {
		task := swarm.Task{ID: t.ID, Slot: t.Slot, NodeID: t.Node, DesiredState: t.Desired, Status: swarm.TaskStatus{State: t.State, Err: t.Err}}
		task.CreatedAt, task.UpdatedAt = sec(t.Created), sec(t.Changed)
		if t.Run != nil {
			task.JobIteration = &swarm.Version{Index: *t.Run}
		}
		o.Tasks = append(o.Tasks, task)
	}
	return o
}

// TestRecordedSequences judges what engines really did, look after look: each
// phase is the recorded one, the verdict comes with the last look and never
// before, and nothing settles before its monitor time is over.
func TestRecordedSequences(t *testing.T) {
	for _, c := range verdictCases {
		changes, ok := recorded[c.name]
		if !ok {
			continue
		}
		t.Run(c.slug(), func(t *testing.T) {
			q := readSequence(t, c.name)
			if q.Verdict != judged(c.verdict) {
				t.Errorf("it is of a deploy that ended as %q, want %q", q.Verdict, c.verdict)
			}
			said := map[string]Phase{}
			for i, look := range q.Looks {
				progress := map[string]Progress{}
				for service, s := range look.Services {
					o, want := s.observation(), q.Want[service].expectation()
					p := judge(o, want, sec(look.At))
					progress[service] = p
					if p.Phase != s.Phase || p.Running != s.Running {
						t.Errorf("look %d, at %.3f s: %s is %s with %d running, recorded as %s with %d", i, look.At, service, p.Phase, p.Running, s.Phase, s.Running)
					}
					if p.Phase == Settled && want.Restarts && !want.Job && p.Running > 0 {
						if early := judge(o, want, p.Since.Add(want.Monitor-time.Millisecond)); early.Phase == Settled {
							t.Errorf("look %d: %s would be settled before its monitor time is over", i, service)
						}
					}
					if said[service] != p.Phase {
						changes--
					}
					said[service] = p.Phase
				}
				end, done := conclude(progress)
				last := i == len(q.Looks)-1
				if done != (last && q.Verdict != "") || done && end.verdict != q.Verdict {
					t.Errorf("look %d of %d, at %.3f s: done %v, %q; want %q with the last", i+1, len(q.Looks), look.At, done, end.verdict, q.Verdict)
				}
			}
			if changes > 0 {
				t.Errorf("it shows %d phases too few to be of use", changes)
			}
		})
	}
}

func readSequence(t *testing.T, name string) (q sequence) {
	t.Helper()
	text, err := os.ReadFile(sequence{Case: name}.path())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	if q.Case != name || len(q.Looks) == 0 {
		t.Fatalf("it is of %q, with %d looks", q.Case, len(q.Looks))
	}
	return q
}
