package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

func frame(stream byte, text string) string {
	n := len(text)
	return string([]byte{stream, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + text
}

// readAll reads a log as "stream: line" and how it ended.
func readAll(in string, tty bool) (lines []string, err error) {
	r := newLogReader(strings.NewReader(in), tty)
	for {
		at, stream, line, err := r.next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", at.Format("05"), stream, line))
	}
}

func TestLogReader(t *testing.T) {
	stamp := "2026-01-02T03:04:05.000000006Z "
	long := strings.Repeat("x", maxLogLine+100)
	for name, c := range map[string]struct {
		in   string
		tty  bool
		want []string
		err  string
	}{
		"two streams":       {frame(1, stamp+"one\n") + frame(2, stamp+"two\r\n"), false, []string{"05 stdout: one", "05 stderr: two"}, "EOF"},
		"no stamp":          {frame(1, "plain\n"), false, []string{"00 stdout: plain"}, "EOF"},
		"lines of a frame":  {frame(1, stamp+"one\nmore\n"), false, []string{"05 stdout: one", "00 stdout: more"}, "EOF"},
		"no end of line":    {frame(1, stamp+"one"), false, []string{"05 stdout: one"}, "EOF"},
		"cut in the header": {frame(1, stamp+"one\n") + "\x01\x00", false, []string{"05 stdout: one"}, "EOF"},
		"cut in the frame":  {frame(1, stamp+"one\n")[:20], false, nil, "EOF"},
		"the engine's word": {frame(1, stamp+"one\n") + frame(3, "node is\ngone"), false, []string{"05 stdout: one"}, "node is gone"},
		"no such stream":    {"\x09\x00\x00\x00\x00\x00\x00\x01x", false, nil, "frame of stream 9"},
		"a huge frame":      {"\x01\x00\x00\x00\xff\xff\xff\xffx", false, nil, "4294967295 bytes"},
		"a terminal":        {stamp + "one\r\n" + stamp + "two", true, []string{"05 stdout: one", "05 stdout: two"}, "EOF"},
		"a long line":       {stamp + long + "\r\nnext\n", true, []string{"05 stdout: " + long[:maxLogLine-len(stamp)], "00 stdout: next"}, "EOF"},
	} {
		lines, err := readAll(c.in, c.tty)
		if !slices.Equal(lines, c.want) || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %.80q and %v; want %.80q and %s", name, lines, err, c.want, c.err)
		}
	}
}

func FuzzLogReader(f *testing.F) {
	f.Add(frame(1, "2026-01-02T03:04:05Z one\n"), false)
	f.Add("2026-01-02T03:04:05Z one\r\n", true)
	f.Fuzz(func(t *testing.T, in string, tty bool) {
		lines, err := readAll(in, tty)
		if err == nil || len(lines) > len(in)+1 {
			t.Errorf("%d lines of %d bytes, error %v", len(lines), len(in), err)
		}
	})
}

// merges gives logs to a merger and returns what comes out.
func merges(t *testing.T, follow bool, logs ...[]int) []int {
	t.Helper()
	m := &merger{added: make(chan *logSource), wake: make(chan struct{}, 1), follow: follow, patience: time.Hour, idle: func() error { return nil }}
	go func() {
		defer close(m.added)
		for _, log := range logs {
			s := &logSource{lines: make(chan LogLine, 2)}
			m.added <- s
			go func() {
				for _, at := range log {
					s.lines <- LogLine{Time: time.Unix(int64(at), 0)}
					m.poke()
				}
				close(s.lines)
				m.poke()
			}()
		}
		m.added <- nil
	}()
	var got []int
	err := m.run(t.Context(), func(l LogLine) error { got = append(got, int(l.Time.Unix())); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLogsAreMergedByTime(t *testing.T) {
	for _, follow := range []bool{false, true} {
		got := merges(t, follow, []int{1, 4, 7, 8, 9, 20}, []int{2, 3, 10}, nil)
		if len(got) != 9 || !slices.IsSorted(got) {
			t.Errorf("follow %v: %v", follow, got)
		}
	}
	failed := errors.New("full")
	m := &merger{begun: true, sources: []*logSource{{head: &LogLine{}}}, added: make(chan *logSource), wake: make(chan struct{}, 1)}
	if err := m.run(t.Context(), func(LogLine) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v, want what emit gave", err)
	}
}

func TestMergerWaitsNoLongerThanItsPatience(t *testing.T) {
	now := time.Unix(100, 0)
	line := func(at int64) *LogLine { return &LogLine{Time: time.Unix(at, 0)} }
	late, quiet := &logSource{waitUntil: now.Add(time.Second)}, &logSource{waitUntil: now.Add(-time.Second)}
	early, later := &logSource{head: line(1)}, &logSource{head: line(2)}
	m := merger{begun: true, follow: true, sources: []*logSource{quiet, later, early}}
	if got, until := m.next(now); got != early || !until.IsZero() {
		t.Errorf("a quiet log holds the others up: %v, %v", got, until)
	}
	m.sources = append(m.sources, late)
	if got, until := m.next(now); got != nil || !until.Equal(late.waitUntil) {
		t.Errorf("one that has just spoken is not waited for: %v, %v", got, until)
	}
	m.follow, m.sources = false, []*logSource{quiet, early}
	if got, _ := m.next(now); got != nil {
		t.Error("a log that is not followed is waited for to its end")
	}
}

func TestTailKeepsTheLast(t *testing.T) {
	var got []string
	tail := &tailer{size: 2, emit: func(l LogLine) error { got = append(got, l.Line); return nil }}
	for i := range 5 {
		if err := tail.add(LogLine{Line: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 0 || len(tail.kept) != 2 || tail.bytes != 2 {
		t.Errorf("%q came early, %d kept", got, len(tail.kept))
	}
	_, _ = tail.flush(), tail.add(LogLine{Line: "5"})
	if strings.Join(got, "") != "345" {
		t.Errorf("%q, want 3, 4 and what came later", got)
	}
	huge := strings.Repeat("x", maxTailBytes/2)
	tail = &tailer{size: 100}
	for range 4 {
		_ = tail.add(LogLine{Line: huge})
	}
	if len(tail.kept) != 2 {
		t.Errorf("%d huge lines are kept", len(tail.kept))
	}
}

func TestTasksWorthReading(t *testing.T) {
	task := func(id string, slot int, age int64, state swarm.TaskState) swarm.Task {
		return swarm.Task{ID: id, ServiceID: "s", Slot: slot, Meta: swarm.Meta{CreatedAt: time.Unix(1000-age, 0)}, Status: swarm.TaskStatus{State: state, ContainerStatus: &swarm.ContainerStatus{ContainerID: id}}}
	}
	rejected := task("rejected", 1, 5, swarm.TaskStateRejected)
	rejected.Status.ContainerStatus = nil
	got := ""
	for _, t := range worthReading([]swarm.Task{
		task("older", 1, 30, swarm.TaskStateFailed), task("old", 1, 20, swarm.TaskStateFailed), task("up", 1, 10, swarm.TaskStateRunning),
		task("other", 2, 25, swarm.TaskStateShutdown), rejected,
	}) {
		got += t.ID + " "
	}
	if got != "other old up " {
		t.Errorf("%q are read, want the last that ended of each slot and what runs", got)
	}
}

const logCompose = `
services:
  app:
    image: SHELL
    stop_grace_period: 1s
    entrypoint: [sh, -c, "for i in 1 2 3; do echo app $$i; echo err $$i >&2; done; printf '\\033[31mred\\033[0m \\377\\n'; trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
    deploy: {replicas: 2, update_config: {monitor: 1s}}
  term:
    image: SHELL
    tty: true
    stop_grace_period: 1s
    entrypoint: [sh, -c, "echo on a terminal; trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
    deploy: {update_config: {monitor: 1s}}
`

// logs reads a stack's logs as "service.slot stream: line".
func (r *rig) logs(ctx context.Context, o LogOptions, each func(LogLine)) []string {
	r.t.Helper()
	var lines []string
	o.Note = func(text string) { r.t.Errorf("note: %s", text) }
	err := r.Logs(ctx, r.stack, o, func(l LogLine) error {
		lines = append(lines, fmt.Sprintf("%s.%d %s: %s", strings.TrimPrefix(l.Service, r.stack+"_"), l.Slot, l.Stream, l.Line))
		if l.Time.IsZero() || l.Task == "" || l.Node == "" {
			r.t.Errorf("a line has no time, task or node: %+v", l)
		}
		if each != nil {
			each(l)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return lines
}

func TestLogs(t *testing.T) {
	r := newRig(t, "logs")
	if err := r.Logs(t.Context(), r.stack, LogOptions{}, nil); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "there is no stack") {
		t.Errorf("no stack: %v", err)
	}
	r.images = append(r.images[:len(r.images):len(r.images)], r.lab.shellImage(t))
	r.converges(r.desired("1.0.0+1", strings.ReplaceAll(logCompose, "SHELL", r.lab.registry.Addr+"/shell:1")))

	// Of one task the engine's own order holds: its two streams are stamped apart.
	var before LogLine
	all := r.logs(t.Context(), LogOptions{}, func(l LogLine) {
		if l.Time.Before(before.Time) && l.Task != before.Task {
			t.Errorf("%v comes behind %v", l.Time, before.Time)
		}
		before = l
	})
	if len(all) != 15 || !slices.Contains(all, "app.2 stderr: err 3") || !slices.Contains(all, "term.1 stdout: on a terminal") || !slices.Contains(all, "app.1 stdout: \x1b[31mred\x1b[0m \ufffd") {
		t.Errorf("%d lines: %q", len(all), all)
	}
	if got := r.logs(t.Context(), LogOptions{Services: []string{"term"}}, nil); len(got) != 1 {
		t.Errorf("one service: %q", got)
	}
	if got := r.logs(t.Context(), LogOptions{Tail: 4}, nil); !slices.Equal(got, all[11:]) {
		t.Errorf("the last four: %q, want %q", got, all[11:])
	}
	if got := r.logs(t.Context(), LogOptions{Since: time.Now().Add(time.Hour)}, nil); len(got) != 0 {
		t.Errorf("of the future: %q", got)
	}
	if got := r.logs(t.Context(), LogOptions{Ago: time.Hour}, nil); len(got) != len(all) {
		t.Errorf("of the last hour: %q", got)
	}
	if err := r.Logs(t.Context(), r.stack, LogOptions{Services: []string{"nobody"}}, nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("no such service: %v", err)
	}

	t.Log("followed through a restart, until the reader has enough")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	known := map[string]bool{}
	news := 0
	restarted := false
	r.logs(ctx, LogOptions{Follow: true, Tail: 15}, func(l LogLine) {
		if !restarted {
			known[l.Task] = true
		}
		if len(known) == 3 && !restarted {
			restarted = true
			standing, err := r.Standing(ctx, r.stack)
			if err != nil {
				t.Fatal(err)
			}
			if err := standing.RestartServices([]string{"term"}); err != nil {
				t.Fatal(err)
			}
			r.ends(r.deploy(standing), Converged, StateNew)
		}
		if restarted && !known[l.Task] {
			news++
			cancel()
		}
	})
	if news != 1 {
		t.Errorf("%d lines of new tasks", news)
	}

	t.Log("a stack that goes while it is followed")
	gone := make(chan error, 1)
	begun := make(chan struct{}, 100)
	go func() {
		gone <- r.Logs(t.Context(), r.stack, LogOptions{Follow: true}, func(LogLine) error { begun <- struct{}{}; return nil })
	}()
	<-begun
	if _, err := r.Undeploy(t.Context(), r.stack, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-gone; fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("error %v, want that it is gone", err)
	}
}
