package deployer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Rotated is what a rotation left, beside the deploy's outcome.
type Rotated struct {
	Secrets []RotatedSecret `json:"secrets"`
	Retired []string        `json:"retired"` // removed: their values cannot be had again
	// Kept are old secrets that could not be removed, and why, a line each.
	Kept []string `json:"kept"`
}

// What a rotation says of its steps.
const (
	saidMade   = "the new secrets are there"
	saidRaised = "the env file is raised"
	saidRuns   = "it runs with the new secrets; the old ones are removed"
)

// Rotate makes the new secrets from values, by key, raises the env file, deploys
// desired (the wanted stack of r.App) and removes the old secrets once it runs. When
// the deploy fails and the stack is back, so is the env file, and the new secrets are
// gone. An error is for a rotation that changed nothing.
func (e *Engine) Rotate(ctx context.Context, r *Rotation, values map[string][]byte, desired *Desired, shown *Plan, options DeployOptions) (Outcome, Rotated, error) {
	rotated := Rotated{Secrets: r.Secrets, Retired: []string{}, Kept: []string{}}
	started := time.Now()
	say := func(message string) {
		if options.Report != nil {
			options.Report(Event{Stage: "rotate", Message: message, Elapsed: time.Since(started)})
		}
	}
	options.Operation = OpRotate
	if err := e.makeRotated(ctx, r, values); err != nil {
		return Outcome{}, rotated, errors.Join(err, e.undoRotation(ctx, r))
	}
	say(saidMade)
	if err := r.raise(); err != nil {
		return Outcome{}, rotated, errors.Join(err, e.undoRotation(ctx, r))
	}
	say(saidRaised)
	outcome, err := e.Deploy(ctx, desired, shown, options)
	if err != nil {
		return outcome, rotated, errors.Join(err, e.undoRotation(ctx, r))
	}
	if outcome.Verdict == Converged && outcome.State == StateNew {
		say(saidRuns)
		e.retire(context.WithoutCancel(ctx), r, &rotated)
		outcome.UnusedSecrets = slices.DeleteFunc(outcome.UnusedSecrets, func(name string) bool { return slices.Contains(rotated.Retired, name) })
		return outcome, rotated, nil
	}
	if outcome.State == StatePrevious {
		if undo := e.undoRotation(ctx, r); undo != nil {
			outcome.Reason += "; putting the env file and the secrets back: " + oneLine(undo.Error())
			outcome.State = StateMixed
		}
	}
	return outcome, rotated, nil
}

func (e *Engine) makeRotated(ctx context.Context, r *Rotation, values map[string][]byte) error {
	for i := range r.Secrets {
		s := &r.Secrets[i]
		if s.Resumes {
			continue
		}
		if s.leftover != "" {
			if err := e.RemoveSecret(ctx, SecretState{SecretSpec: SecretSpec{Name: s.New}, ID: s.leftover}); err != nil {
				return err
			}
		}
		labels := map[string]string{labelRotates: s.Old}
		if err := e.createSecret(ctx, r.App.Stack, s.New, values[s.Key], labels); err != nil {
			return err
		}
		s.made = true
	}
	return nil
}

// raise writes the env file, unless somebody edited it since it was read.
func (r *Rotation) raise() error {
	if bytes.Equal(r.before, r.App.Env.Bytes()) {
		return nil // a rotation is gone on with that had come so far
	}
	return swapFile(r.App.Path, r.before, r.App.Env.Bytes())
}

// swapFile replaces a file's text, when it is as it is expected to be.
func swapFile(path string, before, after []byte) error {
	now, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("writing the env file: %w", err)
	}
	if !bytes.Equal(now, before) {
		err := fault.New(fault.Unavailable, "%s was edited meanwhile", path)
		return fault.Hint(err, "run it again")
	}
	if err := replaceFile(path, after); err != nil {
		return fmt.Errorf("writing the env file: %w", err)
	}
	return nil
}

// undoRotation lowers the env file and removes the new secrets, whatever ctx says.
// A rotation that was taken up goes back to where the first one began.
func (e *Engine) undoRotation(ctx context.Context, r *Rotation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := r.lower(); err != nil {
		return fault.Wrap(fault.Left, err)
	}
	for _, s := range r.Secrets {
		if !s.made && !s.Resumes {
			continue
		}
		id, err := e.secretID(ctx, s.New)
		if err == nil && id != "" {
			err = e.RemoveSecret(ctx, SecretState{SecretSpec: SecretSpec{Name: s.New}, ID: id})
		}
		if err != nil {
			return fault.Wrap(fault.Left, err)
		}
	}
	return nil
}

// lower gives the env file its old versions back; other edits to it stay.
func (r *Rotation) lower() error {
	fresh, err := loadApp(r.App.Server, r.App.Domain, r.App.Path)
	if err != nil {
		return err
	}
	now := fresh.Env.Bytes()
	if bytes.Equal(now, r.App.Env.Bytes()) && !bytes.Equal(now, r.before) {
		return swapFile(r.App.Path, now, r.before)
	}
	for _, s := range r.Secrets {
		if v, ok := fresh.Env.Get(s.Variable); ok && v.Value == s.To {
			if err := fresh.Env.Set(s.Variable, s.From); err != nil {
				return err
			}
		}
	}
	if bytes.Equal(now, fresh.Env.Bytes()) {
		return nil
	}
	return swapFile(r.App.Path, now, fresh.Env.Bytes())
}

// secretID is the ID of the secret of that name, "" when there is none.
func (e *Engine) secretID(ctx context.Context, name string) (string, error) {
	secrets, err := e.api.SecretList(ctx, swarm.SecretListOptions{Filters: newFilter("name", []string{name})})
	if err != nil {
		return "", fmt.Errorf("listing the secrets: %w", err)
	}
	for _, s := range secrets {
		if s.Spec.Name == name { // the filter matches prefixes
			return s.ID, nil
		}
	}
	return "", nil
}

// retire removes the old secrets, the youngest last: while it is there a later
// rotation finds that this one has not ended.
func (e *Engine) retire(ctx context.Context, r *Rotation, rotated *Rotated) {
	for _, s := range r.Secrets {
		for i := len(s.retire) - 1; i >= 0; i-- {
			name := s.retire[i]
			id, err := e.secretID(ctx, name)
			if err == nil && id != "" {
				err = e.RemoveSecret(ctx, SecretState{SecretSpec: SecretSpec{Name: name}, ID: id})
			}
			if err != nil {
				rotated.Kept = append(rotated.Kept, oneLine(err.Error()))
				continue
			}
			if id != "" {
				rotated.Retired = append(rotated.Retired, name)
			}
		}
	}
}
