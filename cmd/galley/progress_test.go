package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer"
)

// screen is as much of a terminal as the board needs: lines, "up", "clear to the
// end", and a line that is too long wraps.
type screen struct {
	width int
	lines []string
	row   int
}

var control = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Za-z])`)

func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		if m := control.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				s.row = max(s.row-n, 0)
			case "J":
				s.lines = s.lines[:min(s.row, len(s.lines))]
			}
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
		case '\n':
			s.put("")
			s.row++
		default:
			s.put(string(r))
			if len([]rune(s.lines[s.row])) > s.width {
				s.row++
				s.put("")
			}
		}
	}
	return len(p), nil
}

func (s *screen) put(text string) {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
	s.lines[s.row] += text
}

var seconds = regexp.MustCompile(` *[0-9]+\.[0-9]s`)

// text is what stands on the screen, without times.
func (s *screen) text() string {
	return seconds.ReplaceAllString(strings.TrimRight(strings.Join(s.lines, "\n"), "\n"), " T")
}

func testBoard(t *testing.T, width, height int) (*board, *screen) {
	s := &screen{width: width}
	b := newBoard(s, func() (int, int, error) { return width, height, nil }, true)
	t.Cleanup(b.close)
	return b, s
}

func TestBoardIsDrawnOverItself(t *testing.T) {
	b, s := testBoard(t, 80, 24)
	b.event(deployer.Event{Stage: "apply", Message: "create service web_app"})
	b.event(deployer.Event{Stage: "watch", Service: "web_app", Phase: deployer.Pulling, Slots: 1, Nodes: []string{"node-a", "node-b"}})
	if got := s.text(); !strings.Contains(got, "web_app  0/1      pulling      - T  on node-a, node-b") {
		t.Errorf("while it pulls the screen shows\n%s", got)
	}
	b.event(deployer.Event{Stage: "watch", Service: "web_db", Phase: deployer.Starting, Slots: 2, Running: 1})
	b.event(deployer.Event{Stage: "watch", Service: "web_app", Phase: deployer.Settled, Slots: 1, Running: 1})
	b.event(deployer.Event{Stage: "put back", Message: "failed: \x1b[2Jservice web_db: " + strings.Repeat("long ", 40)})
	b.event(deployer.Event{Stage: "put back", Service: "web_db", Phase: deployer.Broken, Slots: 2, Running: 0, Health: "unhealthy: no route"})
	b.close()
	want := ` T  apply     create service web_app
 T  put back  failed: ` + "\ufffd" + `[2Jservice web_db: long long long long long long lo…
SERVICE  TASKS    STATE        HEALTH      ELAPSED
web_app  1/1      settled      - T
web_db   0/2      failed       unhealthy T  put back health check: no r…`
	if got := s.text(); got != want {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
}

func TestBoardFitsTheTerminal(t *testing.T) {
	b, s := testBoard(t, 40, 8)
	for i := range 20 {
		phase := deployer.Settled
		if i%5 == 4 {
			phase = deployer.Starting
		}
		b.event(deployer.Event{Stage: "watch", Service: fmt.Sprintf("a-stack-with-a-long-name_service%02d", i), Phase: phase, Slots: 1})
	}
	b.close()
	got := strings.Split(s.text(), "\n")
	if len(got) != 6 || got[5] != "… and 16 more services" {
		t.Fatalf("the screen shows\n%s", s.text())
	}
	for i, service := range []string{"04", "09", "14", "19"} {
		if !strings.Contains(got[i+1], "service"+service) {
			t.Errorf("line %q is not of the service %s that is not done", got[i+1], service)
		}
	}
}

func TestEventLinesDoNotRepeatThemselves(t *testing.T) {
	var out bytes.Buffer
	s := newStreams(strings.NewReader(""), &out, &out)
	report, done := s.watchDeploy()
	app := deployer.Event{Stage: "watch", Service: "web_app", Phase: deployer.Starting, Slots: 1}
	report(app)
	report(deployer.Event{Stage: "watch", Service: "web_db", Phase: deployer.Starting, Slots: 1})
	app.Elapsed, app.Health = 2*time.Second, "starting"
	report(app) // a line shows nothing of this
	app.Phase, app.Nodes, app.Message = deployer.Pulling, []string{"node-a"}, "pulling on node-a"
	report(app)
	app.Phase, app.Nodes, app.Message = deployer.Starting, nil, ""
	report(app)
	report(deployer.Event{Stage: "apply", Message: "the same"})
	report(deployer.Event{Stage: "apply", Message: "the same"})
	done()
	want := `   0.0s  watch     web_app: starting, 0 of 1
   0.0s  watch     web_db: starting, 0 of 1
   2.0s  watch     web_app: pulling, 0 of 1, on node-a
   2.0s  watch     web_app: starting, 0 of 1
   0.0s  apply     the same
   0.0s  apply     the same
`
	if out.String() != want {
		t.Errorf("the log is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestEventsAreJSONLines(t *testing.T) {
	var out bytes.Buffer
	s := newStreams(strings.NewReader(""), &out, &out)
	s.json = true
	report, done := s.watchDeploy()
	report(deployer.Event{Stage: "watch", Service: "web_app", Phase: deployer.Starting, Slots: 1, Nodes: []string{}, Message: "<\n>", Elapsed: 1500 * time.Millisecond})
	done()
	if err := s.printLine(outcomeDocument{"outcome", deployer.Outcome{Verdict: deployer.Converged}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("lines %q, want 2", lines)
	}
	want := `{"type":"event","stage":"watch","service":"web_app","image":"","phase":"starting","running":0,"slots":1,` +
		`"health":"","nodes":[],"message":"<\n>","elapsed_ns":1500000000}`
	if lines[0] != want {
		t.Errorf("the event is\n%s\nwant\n%s", lines[0], want)
	}
	var outcome struct{ Type, Verdict string }
	if err := json.Unmarshal([]byte(lines[1]), &outcome); err != nil || outcome.Type != "outcome" || outcome.Verdict != "converged" {
		t.Errorf("the outcome is %s (%v)", lines[1], err)
	}
}
