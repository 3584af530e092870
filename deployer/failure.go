package deployer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// What is kept of a failing task's words.
const (
	failureLogLines = 10
	failureLogBytes = 16 << 10
	failureTimeout  = 5 * time.Second
)

// failures gathers what the failing tasks themselves say, before a put-back
// removes them. It is a courtesy: what cannot be had is left empty.
func (e *Engine) failures(ctx context.Context, progress map[string]Progress, known map[string]bool) []Failure {
	ctx, cancel := context.WithTimeout(ctx, failureTimeout)
	defer cancel()
	all := []Failure{}
	for _, name := range sortedKeys(progress) {
		p := progress[name]
		if p.Phase == Settled || p.Phase == Settling {
			continue
		}
		f := Failure{Service: name, ExitCode: -1, Error: cmp.Or(p.Waiting, p.Reason), Logs: []string{}}
		if p.Failed == nil && p.Phase.final() {
			p.Failed = e.newestFailure(ctx, name, known)
		}
		if p.Failed != nil {
			e.fill(ctx, &f, p.Failed)
		}
		all = append(all, f)
	}
	return all
}

// explain adds to the reason what the failing task itself says: swarm tells of an
// update that it paused only which task it was for.
func (o *Outcome) explain() {
	for _, f := range o.Failures {
		if f.Task == "" {
			continue
		}
		if !strings.Contains(o.Reason, f.Error) {
			o.Reason += "; its task failed with: " + f.Error
		}
		if f.Health != "" {
			o.Reason += "; its health check says: " + f.Health
		}
		return
	}
}

// newestFailure finds the task that made swarm roll a service back: by then it
// is not one of the present spec any more.
func (e *Engine) newestFailure(ctx context.Context, service string, known map[string]bool) *swarm.Task {
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: newFilter("service", []string{service})})
	if err != nil {
		return nil
	}
	var newest *swarm.Task
	for i := range tasks {
		if hasFailed(&tasks[i]) && !known[tasks[i].ID] {
			newest = newer(newest, &tasks[i])
		}
	}
	return newest
}

func (e *Engine) fill(ctx context.Context, f *Failure, task *swarm.Task) {
	f.Task, f.Node, f.Error = task.ID, task.NodeID, taskError(task)
	if c := task.Status.ContainerStatus; c != nil {
		f.ExitCode = c.ExitCode
		if api := e.at(task.NodeID); api != nil && c.ContainerID != "" {
			f.Health = health(ctx, api, c.ContainerID)
		}
	}
	f.Logs = e.taskLogs(ctx, task.ID)
}

// health is the output of the container's last failing health check. Only the
// node that runs a container can tell.
func health(ctx context.Context, api *client.Client, id string) string {
	inspected, err := api.ContainerInspect(ctx, id)
	if err != nil || inspected.State == nil || inspected.State.Health == nil {
		return ""
	}
	return lastFailing(inspected.State.Health)
}

// lastFailing is what the last failing check of a health log said. A check that
// could not be run counts only when no other failed: often it is the one that met
// the stopping container.
func lastFailing(h *container.Health) string {
	var ran, notRun string
	for _, check := range h.Log {
		switch output := clip(oneLine(check.Output), 500); {
		case check.ExitCode < 0 || strings.HasPrefix(check.Output, "OCI runtime exec failed"):
			notRun = output
		case check.ExitCode > 0:
			ran = output
		}
	}
	return cmp.Or(ran, notRun)
}

func (e *Engine) taskLogs(ctx context.Context, id string) []string {
	lines := []string{}
	stream, err := e.api.TaskLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "10"})
	if err != nil {
		return lines
	}
	defer stream.Close()
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, io.LimitReader(stream, failureLogBytes))
	scanner := bufio.NewScanner(&text)
	for scanner.Scan() && len(lines) < failureLogLines {
		lines = append(lines, clip(scanner.Text(), 500))
	}
	return lines
}

// oneLine makes one line of a text that an engine or a container wrote.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// hide masks what looks like a secret in a failing task's own words: an app that
// prints its configuration when it dies would carry it into the history.
func (o *Outcome) hide(m *masker) {
	o.Reason = m.text(o.Reason)
	for i := range o.Failures {
		f := &o.Failures[i]
		f.Error, f.Health = m.text(f.Error), m.text(f.Health)
		for j := range f.Logs {
			f.Logs[j] = m.text(f.Logs[j])
		}
	}
}
