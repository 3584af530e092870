package deployer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func notice() Notice {
	return Notice{
		Domain: "web.example.org", Server: "prod", Stack: "web_example_org",
		Record:  Record{Number: 3, Recipe: "web", Operation: OpUpgrade, From: "1.0.0+1", To: "1.1.0+1", Verdict: Failed, State: StatePrevious, Reason: "sick"},
		Outcome: &Outcome{Verdict: Failed, State: StatePrevious, Failures: []Failure{{Service: "app", Error: "sick", Logs: []string{"a line of logs"}}}},
	}
}

func TestHookCommand(t *testing.T) {
	got := filepath.Join(t.TempDir(), "got")
	t.Setenv("GOT", got)
	h := Hooks{Command: `{ echo "$GALLEY_DOMAIN $GALLEY_SERVER $GALLEY_STACK $GALLEY_RECIPE $GALLEY_OPERATION $GALLEY_FROM $GALLEY_VERSION $GALLEY_VERDICT $GALLEY_STATE"; cat; } > "$GOT"`}
	n := notice()
	if failed := h.Tell(t.Context(), n); len(failed) > 0 {
		t.Fatal(failed)
	}
	data, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	line, document, _ := strings.Cut(string(data), "\n")
	if line != "web.example.org prod web_example_org web upgrade 1.0.0+1 1.1.0+1 failed previous" {
		t.Errorf("the variables are %q", line)
	}
	var said Notice
	if err := json.Unmarshal([]byte(document), &said); err != nil || said.Record.Number != 3 || said.Outcome.Failures[0].Error != "sick" {
		t.Errorf("the document is %s (%v)", document, err)
	}
	if strings.Contains(document, "a line of logs") || len(n.Outcome.Failures[0].Logs) != 1 {
		t.Errorf("logs are told, or were taken from the outcome itself")
	}
}

func TestHookThatFails(t *testing.T) {
	for command, want := range map[string]string{
		"echo no mail >&2; exit 3":       "the hook command ended with exit status 3: no mail",
		"exit 1":                         "the hook command ended with exit status 1",
		"yes x | head -c 100000; exit 1": "the hook command ended with exit status 1: x x",
		"sleep 1000 | sleep 1000":        "the hook command did not end within 200ms",
	} {
		failed := strings.Join(Hooks{Command: command, Timeout: time.Minute}.short(command).Tell(t.Context(), notice()), "\n")
		if !strings.HasPrefix(failed, want) || len(failed) > 3000 || strings.Contains(failed, "\n") {
			t.Errorf("%s: %.200q, want %q", command, failed, want)
		}
	}
	// What it leaves behind is not waited for.
	if failed := (Hooks{Command: "sleep 1000 & echo $! > \"$PIDS\""}).withPids(t).Tell(t.Context(), notice()); len(failed) > 0 {
		t.Error(failed)
	}
}

// short gives a command that does not end little time.
func (h Hooks) short(command string) Hooks {
	if strings.HasPrefix(command, "sleep") {
		h.Timeout = 200 * time.Millisecond
	}
	return h
}

// withPids ends what the command leaves behind.
func (h Hooks) withPids(t *testing.T) Hooks {
	pids := filepath.Join(t.TempDir(), "pids")
	t.Setenv("PIDS", pids)
	t.Cleanup(func() {
		if data, err := os.ReadFile(pids); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return h
}

func TestWebhook(t *testing.T) {
	var answers []int
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+r.Header.Get("Content-Type")+" "+string(body))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	tell := func(codes ...int) (string, int) {
		answers, bodies = codes, nil
		failed := Hooks{Webhook: server.URL + "/s3cret?token=t0ken"}.Tell(t.Context(), notice())
		return strings.Join(failed, "\n"), len(bodies)
	}
	for _, c := range []struct {
		codes []int
		want  string
		tries int
	}{
		{[]int{204}, "", 1},
		{[]int{500, 200}, "", 2},
		{[]int{503, 502}, "the webhook at 127.0.0.1 answered 502 Bad Gateway", 2},
		{[]int{404}, "the webhook at 127.0.0.1 answered 404 Not Found", 1},
		{[]int{302}, "the webhook at 127.0.0.1 answered 302 Found", 1},
	} {
		if got, tries := tell(c.codes...); got != c.want || tries != c.tries {
			t.Errorf("answers %v: %q after %d, want %q after %d", c.codes, got, tries, c.want, c.tries)
		}
	}
	tell(200)
	if !strings.HasPrefix(bodies[0], `POST application/json {"domain":"web.example.org",`) {
		t.Errorf("it was sent %s", bodies[0])
	}
	server.Close()
	got, _ := tell()
	if !strings.HasPrefix(got, "the webhook at 127.0.0.1 was not reached: ") || strings.Contains(got, "s3cret") || strings.Contains(got, "t0ken") {
		t.Errorf("nobody there: %q", got)
	}
	for _, address := range []string{"nowhere", "file:///etc/passwd", "http://%zz", "https://"} {
		if failed := (Hooks{Webhook: address}).Tell(t.Context(), notice()); len(failed) != 1 || !strings.Contains(failed[0], "has no address like") {
			t.Errorf("%s: %q", address, failed)
		}
	}
}
