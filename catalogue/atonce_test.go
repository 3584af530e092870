package catalogue

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
)

// atOnce starts processes that do the same at the same time, and wants all of
// them to end well: who comes second waits.
func atOnce(t *testing.T, child func() *exec.Cmd) {
	t.Helper()
	children, said := make([]*exec.Cmd, 3), make([]bytes.Buffer, 3)
	for i := range children {
		children[i] = child()
		children[i].Stdout, children[i].Stderr = &said[i], &said[i]
		must(t, children[i].Start())
	}
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("%v\n%s", err, said[i].String())
		}
	}
}

func TestBuildsAtOnce(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	cfg := Config{Name: "Test", Sources: manySources(web, proxy, 4)}
	w.build(cfg, w.path("whole"))
	run := childRun{Sources: cfg.Sources, Build: w.path("build"), Cache: w.path("cache"), Registry: w.registry.Addr, Now: start}
	atOnce(t, func() *exec.Cmd { return run.child(t) })
	sameTree(t, w.path("whole"), w.path("build"))
	noScratch(t, w.path("build"))
	if _, err := os.Stat(w.path("build")); err != nil {
		t.Fatal(err)
	}
}

func TestSignsAtOnce(t *testing.T) {
	s := newSigning(t)
	s.change()
	must(t, s.run.run(t))
	s.follows()
	s.change()
	atOnce(t, func() *exec.Cmd { return s.run.child(t) })
	v := s.verify(s.run.Public, s.run.Now)
	if len(v.Problems)+len(v.Stale)+len(v.Leftovers) > 0 {
		t.Errorf("stale %q, leftovers %q, problems:\n%s", v.Stale, v.Leftovers, problems(v))
	}
	if seen := s.follows(); seen != 4 {
		t.Errorf("timestamp %d, expected one for each sign: 4", seen)
	}
	noScratch(t, s.run.Public)
	data, err := os.ReadFile(s.path("public/" + trust.Name(trust.Snapshot, 2)))
	must(t, err)
	if _, err := trust.Parse(trust.Snapshot, data); err != nil || exists(s.path("public/"+trust.Name(trust.Snapshot, 3))) {
		t.Errorf("a change was signed twice: %v", err)
	}
}

func TestPublishesAtOnce(t *testing.T) {
	c := newChanging(t)
	target := c.path("www")
	c.next()
	c.publish(target)
	signed := c.next()
	options, err := json.Marshal(struct {
		Public, Target string
		Now            time.Time
	}{c.path("public"), target, c.now})
	must(t, err)
	atOnce(t, func() *exec.Cmd {
		child := exec.Command(os.Args[0], "-test.run=^TestPublishChild$")
		child.Env = append(os.Environ(), exitsAtOnce, childEnv+"="+string(options))
		return child
	})
	if seen := c.whole(t, target); seen != signed {
		t.Errorf("version %d is seen, expected %d", seen, signed)
	}
	noScratch(t, target)
}

// TestSignDuringBuild signs a tree that a build is at work in: one waits for the
// other, and what is published is the old build or the new one.
func TestSignDuringBuild(t *testing.T) {
	w := published(t)
	w.release()
	before := start.Add(time.Hour)
	run := childRun{Sources: manySources(w.web, w.proxy, 4), Build: w.path("build"), Cache: w.path("cache"), Registry: w.registry.Addr, Now: start}
	building := run.child(t)
	must(t, building.Start())
	ended := make(chan error, 1)
	go func() { ended <- building.Wait() }()
	for signs := 0; ; signs++ {
		w.sign(before)
		if v := w.verify(w.path("public"), before); len(v.Problems)+len(v.Stale) > 0 || v.Recipes != 2 && v.Recipes != 6 {
			t.Fatalf("after sign %d: %d recipes\n%s", signs, v.Recipes, problems(v))
		}
		select {
		case err := <-ended:
			must(t, err)
			w.sign(before)
			if v := w.verify(w.path("public"), before); v.Recipes != 6 {
				t.Errorf("%d recipes, expected 6", v.Recipes)
			}
			return
		default:
		}
	}
}
