package catalogue

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchMemory runs galley itself, which tunes its garbage collection, and reports
// the most memory that it had: VmHWM of proc(5), read until it ends. The build
// folder named from is gone on from; "" is a cold build.
func (w *benchWorld) benchMemory(b *testing.B, from string) {
	galley := w.path("galley")
	out, err := exec.Command("go", "build", "-o", galley, "github.com/galley-coop/galley/cmd/galley").CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	w.writeConfig(b)
	if from == "" {
		from = "memory"
	}
	run := func() (peak int, took time.Duration) {
		cmd := exec.Command(galley, "catalogue", "build", "--config", w.path(ConfigName), "--build", w.path(from), "--previous=", "--output", "json")
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+w.path("xdg-"+from))
		cmd.Dir = w.dir
		began := time.Now()
		peak = peakOf(b, cmd)
		return peak, time.Since(began)
	}
	if from != "memory" {
		run() // with its own cache
	}
	var peak int
	var took time.Duration
	for b.Loop() {
		if from == "memory" {
			must(b, os.RemoveAll(w.path("memory")))
			must(b, os.RemoveAll(w.path("xdg-memory")))
		}
		high, time := run()
		peak, took = max(peak, high), took+time
	}
	b.ReportMetric(float64(peak)/1e3, "peak-MB")
	b.ReportMetric(took.Seconds()/float64(b.N), "process-s/op")
}

func (w *benchWorld) writeConfig(b *testing.B) {
	b.Helper()
	text := fmt.Sprintf("name: Bench\nregistries:\n  docker.io: %s\ninsecure: [%q]\nsources:\n", w.registry.Addr, w.registry.Addr)
	for _, s := range w.config("").Sources {
		text += fmt.Sprintf("  - name: %s\n    path: %s\n    gate: error\n", s.Name, s.Path)
	}
	must(b, os.WriteFile(w.path(ConfigName), []byte(text), 0o644))
}

var highWater = regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)

// peakOf runs a command to its end; the answer is in kB.
func peakOf(b *testing.B, cmd *exec.Cmd) (peak int) {
	b.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	must(b, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, said.String())
			}
			return peak
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // none when it has ended
			if found := highWater.FindSubmatch(status); found != nil {
				kB, _ := strconv.Atoi(string(found[1]))
				peak = max(peak, kB)
			}
		}
	}
}
