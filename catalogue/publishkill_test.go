package catalogue

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childEnv holds the PublishOptions of a child that publishes and is killed.
const childEnv = "GALLEY_TEST_PUBLISH"

// killsEnv is how many moments are tried; 10 without it.
const killsEnv = "GALLEY_TEST_KILLS"

// TestPublishChild is not a test: it is the child of TestPublishKilled.
func TestPublishChild(t *testing.T) {
	given := os.Getenv(childEnv)
	if given == "" {
		return
	}
	var options PublishOptions
	must(t, json.Unmarshal([]byte(given), &options))
	options.Progress = func(e PublishEvent) { fmt.Println(e.Stage, e.Done) }
	if _, err := Publish(context.Background(), options); err != nil {
		t.Fatal(err)
	}
}

// moment is when a child is killed: when it has told steps files, and wait after.
type moment struct {
	steps int
	wait  time.Duration
}

// never lets a child end by itself.
var never = moment{steps: 1 << 30}

// killed publishes in a child that is killed at a moment. It tells whether the
// child was done before, and how many files it told.
func (c *changing) killed(target string, at moment) (done bool, steps int) {
	c.t.Helper()
	options, err := json.Marshal(struct {
		Public, Target string
		Now            time.Time
	}{c.path("public"), target, c.now})
	must(c.t, err)
	child := exec.Command(os.Args[0], "-test.run=^TestPublishChild$")
	child.Env = append(os.Environ(), exitsAtOnce, childEnv+"="+string(options))
	out, err := child.StdoutPipe()
	must(c.t, err)
	must(c.t, child.Start())
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for ; steps < at.steps && lines.Scan(); said.WriteString(lines.Text() + "\n") {
		if strings.HasPrefix(lines.Text(), "copying") || strings.HasPrefix(lines.Text(), "pushing") {
			steps++
		}
	}
	if steps >= at.steps {
		timer := time.AfterFunc(at.wait, func() { _ = child.Process.Kill() })
		defer timer.Stop()
	}
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
	}
	err = child.Wait()
	if err != nil && !strings.Contains(err.Error(), "killed") {
		c.t.Fatalf("%v\n%s", err, said.String())
	}
	return err == nil, steps
}

// whole fails when anything at the target does not verify, and when a client
// does not read all of it.
func (c *changing) whole(t *testing.T, target string) int64 {
	t.Helper()
	c.clean(target)
	client, err := c.open(target, ClientOptions{Now: c.now})
	must(t, err)
	must(t, readAll(t.Context(), client))
	return client.Info().Timestamp.Version
}

func TestPublishKilled(t *testing.T) {
	moments := 10
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		moments = n
	}
	for _, name := range []string{"folder", "registry"} {
		t.Run(name, func(t *testing.T) {
			c := newChanging(t)
			c.t = t
			target := c.targets(t)[name]
			last := c.next()
			began := time.Now()
			_, steps := c.killed(target, never)
			took := time.Since(began)
			random := rand.New(rand.NewPCG(4, uint64(len(name))))
			early, late := 0, 0
			for i := range moments {
				signed := c.next()
				at := moment{wait: time.Duration(random.Int64N(int64(took)))}
				if i%4 > 0 { // while it copies, which is the shorter part
					at = moment{1 + random.IntN(steps), time.Duration(random.IntN(3000)) * time.Microsecond}
				}
				if done, _ := c.killed(target, at); !done {
					early++
				}
				seen := c.whole(t, target)
				if seen != last && seen != signed {
					t.Fatalf("version %d is seen, neither %d nor %d", seen, last, signed)
				}
				if seen == signed {
					late++
				}
				c.publish(target)
				c.clean(target)
				last = signed
			}
			t.Logf("%d of %d killed before they were done; %d had switched", early, moments, late)
			if early == 0 {
				t.Error("no publish was killed")
			}
		})
	}
}
