package deployer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Hooks are told of every verdict, on the operator's machine. What goes wrong with
// them changes nothing of the verdict.
type Hooks struct {
	// Command is run with sh -c. It gets the Notice as JSON on standard input, and
	// GALLEY_DOMAIN, GALLEY_SERVER, GALLEY_STACK, GALLEY_RECIPE, GALLEY_OPERATION,
	// GALLEY_FROM, GALLEY_VERSION, GALLEY_VERDICT and GALLEY_STATE. It is the
	// operator's own text: nothing of a recipe is in it.
	Command string
	// Webhook gets the Notice in a POST, once more when nobody answered or the
	// answer was 5xx.
	Webhook string
	// Timeout bounds each of them, one request in the case of the webhook;
	// DefaultHook when zero.
	Timeout time.Duration
}

// DefaultHook is how long a hook may take.
const DefaultHook = 30 * time.Second

// Notice is what a hook is told: one verdict.
type Notice struct {
	Domain string `json:"domain"`
	Server string `json:"server"`
	Stack  string `json:"stack"`
	// Record is what the stack's history keeps of it.
	Record Record `json:"record"`
	// Outcome is the end of a deploy, without log lines; nil for an undeploy.
	Outcome *Outcome `json:"outcome"`
}

// Any tells whether there is a hook at all.
func (h Hooks) Any() bool { return h.Command != "" || h.Webhook != "" }

// Tell tells all hooks, and returns what went wrong, one line each. No error has an
// address or a value in it that might be secret.
func (h Hooks) Tell(ctx context.Context, n Notice) []string {
	if n.Outcome != nil {
		n.Outcome = n.Outcome.withoutLogs()
	}
	data, err := json.Marshal(n)
	if err != nil {
		return []string{"telling the hooks: " + err.Error()}
	}
	var failed []string
	if h.Command != "" {
		if err := h.run(ctx, n, data); err != nil {
			failed = append(failed, "the hook command "+err.Error())
		}
	}
	if h.Webhook != "" {
		if err := h.post(ctx, data); err != nil {
			failed = append(failed, "the webhook "+err.Error())
		}
	}
	return failed
}

func (o Outcome) withoutLogs() *Outcome {
	failures := []Failure{}
	for _, f := range o.Failures {
		f.Logs = []string{}
		failures = append(failures, f)
	}
	o.Failures = failures
	return &o
}

func (h Hooks) timeout() time.Duration { return cmp.Or(h.Timeout, DefaultHook) }

// maxHookOutput is how much of a hook's words is kept for the warning, in bytes.
const maxHookOutput = 2000

func (h Hooks) run(ctx context.Context, n Notice, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout())
	defer cancel()
	said := &limited{left: maxHookOutput}
	cmd := exec.CommandContext(ctx, "sh", "-c", h.Command)
	cmd.Env = append(os.Environ(),
		"GALLEY_DOMAIN="+n.Domain, "GALLEY_SERVER="+n.Server, "GALLEY_STACK="+n.Stack, "GALLEY_RECIPE="+n.Record.Recipe,
		"GALLEY_OPERATION="+string(cmp.Or(n.Record.Operation, OpDeploy)), "GALLEY_FROM="+n.Record.From, "GALLEY_VERSION="+n.Record.To,
		"GALLEY_VERDICT="+string(n.Record.Verdict), "GALLEY_STATE="+string(n.Record.State))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), said, said
	cmd.WaitDelay = time.Second // children of the shell may hold its output open
	endAll(cmd)
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("did not end within %s", h.timeout())
	case errors.Is(err, exec.ErrWaitDelay), err == nil:
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("could not be run: %w", err)
	}
	words := oneLine(said.kept.String())
	if words == "" {
		return fmt.Errorf("ended with %s", exit)
	}
	return fmt.Errorf("ended with %s: %s", exit, words)
}

// limited keeps the first bytes that are written and takes the rest.
type limited struct {
	kept strings.Builder
	left int
}

// Write is io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	l.kept.Write(keep)
	return len(p), nil
}

// webhookTries is how often a webhook is asked.
const webhookTries = 2

func (h Hooks) post(ctx context.Context, data []byte) error {
	var err error
	for try := range webhookTries {
		if try > 0 && pause(ctx, time.Second) != nil {
			break
		}
		var again bool
		if again, err = h.postOnce(ctx, data); err == nil || !again {
			return err
		}
	}
	return err
}

func (h Hooks) postOnce(ctx context.Context, data []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout())
	defer cancel()
	address, err := url.Parse(h.Webhook)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return false, errors.New("has no address like https://host/path")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Webhook, bytes.NewReader(data))
	if err != nil {
		return false, errors.New("has no address like https://host/path")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "galley")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // it has the address in it
			err = of.Err
		}
		return true, fmt.Errorf("at %s was not reached: %s", address.Hostname(), strings.ReplaceAll(err.Error(), h.Webhook, "…"))
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return response.StatusCode >= 500, fmt.Errorf("at %s answered %d %s", address.Hostname(), response.StatusCode, http.StatusText(response.StatusCode))
	}
	return false, nil
}

// Last is a stack's newest history record, false without any.
func (e *Engine) Last(ctx context.Context, stack string) (Record, bool, error) {
	history, err := e.History(ctx, stack)
	if err != nil || len(history) == 0 {
		return Record{}, false, err
	}
	return history[len(history)-1], true, nil
}
