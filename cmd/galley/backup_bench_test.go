package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer/backup"
)

const (
	// backupBytes is how much the volume holds; GALLEY_BENCH_VOLUME says another number.
	backupBytes = 1_000_000_000
	// backupRounds is how often each side does each thing in one run of the benchmark.
	backupRounds = 3
	benchApp     = "box.example.org"
	benchVolume  = "box_example_org_data"
	handVolume   = "by_hand" // what tar unpacks into
)

// BenchmarkBackup backs a volume of a gigabyte up and restores it, with galley and by
// hand: docker run with GNU tar, piped into and out of the same restic. Without its
// --log-driver none the engine would write the whole tar into a log as well, and its
// restic has a session of its own, as galley's has: on a busy machine the kernel shares the
// processors out by sessions (sched(7), autogroup). The repository is a new copy of the
// same empty one each time, and who comes first alternates.
//
// galley and the engine are on one machine here, and a backup takes the shortcut past the
// engine. api is a backup without it, as from another machine, but for the network: its
// folder has a path that no socket can have.
//
// data is the volume's way alone: galley's, as its own events have it, from the start
// of restic and of the helper to the end of both, to the whole pipe. whole is the
// command as operators run it to the same pipe: a restore also stops the app, copies
// what the volume held, deploys, watches and verifies, for which there is no pipe.
func BenchmarkBackup(b *testing.B) {
	x := newBackupBench(b)
	ratios := map[string][]float64{}
	for b.Loop() {
		for round := range backupRounds {
			x.round(round, ratios)
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(ratios)) {
		values := slices.Sorted(slices.Values(ratios[unit]))
		b.Logf("%s: %.2f", unit, values)
		b.ReportMetric(values[len(values)/2], unit)
	}
}

// fresh makes the repository a new copy of the empty one, and lets the disk come to
// rest, which the one before has kept busy.
func (x *backupBench) fresh() {
	x.b.Helper()
	x.discard()
	x.repositories++
	x.repository = filepath.Join(x.dir, fmt.Sprintf("repository%d", x.repositories))
	if err := os.CopyFS(x.repository, os.DirFS(x.empty)); err != nil {
		x.b.Fatal(err)
	}
	syscall.Sync()
}

func (x *backupBench) discard() {
	for _, path := range []string{x.repository, x.repository + ".cache"} {
		if x.repository != "" {
			_ = os.RemoveAll(path)
		}
	}
	x.repository = ""
}

// round has each side make a backup and restore it.
func (x *backupBench) round(round int, ratios map[string][]float64) {
	x.b.Helper()
	var backup, api, restore, handBackup, handRestore timed
	sides := []func(){
		func() {
			x.fresh()
			x.env = append(x.env, "TMPDIR="+x.far)
			api = x.run("store", "app", "backup", "create", benchApp)
			x.env = x.env[:len(x.env)-1]
		},
		func() {
			x.fresh()
			backup = x.run("store", "app", "backup", "create", benchApp)
			syscall.Sync()
			restore = x.run("restore", "app", "restore", benchApp, "--yes")
			x.shell(nil, `"$GALLEY" app volume drop-kept `+benchApp+` --yes`)
		},
		func() {
			x.fresh()
			handBackup = x.byHand(`"$DOCKER" run --rm --log-driver none -v ` + benchVolume + `:/v:ro tar tar -C /v -c . | setsid --wait restic backup --stdin --stdin-filename /data.tar`)
			x.shell(nil, `"$DOCKER" volume rm -f `+handVolume+`; "$DOCKER" volume create `+handVolume+`; sync`)
			handRestore = x.byHand(`setsid --wait restic dump latest /data.tar | "$DOCKER" run --rm -i -v ` + handVolume + `:/v tar tar -C /v -x`)
			x.shell(nil, `"$DOCKER" volume rm -f `+handVolume)
		},
	}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		side()
	}
	x.discard()
	compare := func(name string, galley, hand measure) {
		ratios[name+"-ratio"] = append(ratios[name+"-ratio"], galley.took.Seconds()/hand.took.Seconds())
		ratios[name+"-cpu-ratio"] = append(ratios[name+"-cpu-ratio"], galley.cpu.Seconds()/hand.cpu.Seconds())
	}
	compare("backup-data", backup.data, handBackup.whole)
	compare("backup-whole", backup.whole, handBackup.whole)
	compare("api-data", api.data, handBackup.whole)
	compare("api-whole", api.whole, handBackup.whole)
	compare("restore-data", restore.data, handRestore.whole)
	compare("restore-whole", restore.whole, handRestore.whole)
	x.b.Logf("round %d, by hand: backup %s; restore %s", round+1, handBackup.whole, handRestore.whole)
	x.b.Logf("round %d, backup:  %s", round+1, backup)
	x.b.Logf("round %d, api:     %s", round+1, api)
	x.b.Logf("round %d, restore: %s", round+1, restore)
}

// measure is what something took of time, and of processors: those of the command, of the
// engine and of all that runs in it.
type measure struct{ took, cpu time.Duration }

func (m measure) String() string { return fmt.Sprintf("%s (cpu %s)", second(m.took), second(m.cpu)) }

// byHand runs a pipe.
func (x *backupBench) byHand(script string) (t timed) {
	x.b.Helper()
	before := spent(x.b)
	t.whole.took = x.shell(nil, script)
	t.whole.cpu = spent(x.b) - before
	return t
}

// timed is how long a command took, and its volume's data in it.
type timed struct {
	whole, data measure
	stages      []stageTime
	peak        string // of its memory
}

// stageTime is what lay between an event and the one before.
type stageTime struct {
	name string
	took time.Duration
}

func (t timed) String() string {
	text := fmt.Sprintf("%s, data %s, peak %s:", t.whole, t.data, cmp.Or(t.peak, "unknown"))
	for _, s := range t.stages {
		text += fmt.Sprintf(" %s %s,", s.name, second(s.took))
	}
	return strings.TrimSuffix(text, ",")
}

func second(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// run runs galley and reads from its events what took how long. Time belongs to the stage
// of the event that ends it, or that goes on.
func (x *backupBench) run(stage string, args ...string) (t timed) {
	x.b.Helper()
	cmd := x.command(x.galley, append(args, "--output", "json")...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		x.b.Fatal(err)
	}
	start, before := time.Now(), spent(x.b)
	if err := cmd.Start(); err != nil {
		x.b.Fatal(err)
	}
	last, began, lines := start, time.Duration(0), bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ backup.Progress }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			x.b.Fatalf("%v: %s", err, lines.Text())
		}
		now := time.Now()
		t.spend(cmp.Or(strings.TrimSpace(event.Stage+" "+event.Part), "end"), now.Sub(last))
		last = now
		if event.Stage == stage && event.Part == "volume data" {
			switch {
			case event.Done:
				t.data = measure{event.Elapsed, spent(x.b) - began}
			case began == 0:
				began = spent(x.b)
			}
		}
		t.peak = cmp.Or(peakOf(cmd.Process.Pid), t.peak)
	}
	if err := cmd.Wait(); err != nil || t.data.took == 0 {
		x.b.Fatalf("galley %q: %v: %s", args, err, said.String())
	}
	t.whole = measure{time.Since(start), spent(x.b) - before}
	t.spend("exit", time.Since(last))
	return t
}

func (t *timed) spend(stage string, took time.Duration) {
	if n := len(t.stages); n > 0 && t.stages[n-1].name == stage {
		t.stages[n-1].took += took
		return
	}
	t.stages = append(t.stages, stageTime{stage, took})
}

// peakOf is the most memory that a process has had, in the kernel's words, "" where it
// cannot be told.
func peakOf(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
