package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appSecretCmd struct {
	Generate secretGenerateCmd `cmd:"" help:"Make the secrets that are missing."`
	Insert   secretInsertCmd   `cmd:"" help:"Give a secret a value of your own."`
	Rotate   secretRotateCmd   `cmd:"" help:"Give secrets new values, deploy, and remove the old ones."`
	Ls       secretLsCmd       `cmd:"" help:"List what the app needs and the swarm has."`
	Rm       secretRmCmd       `cmd:"" help:"Remove a secret."`
}

// secretsOf connects to the app's server and lists its secrets.
func secretsOf(ctx context.Context, s *streams, apps *appCmd, one oneApp) (*wanted, *deployer.Engine, []deployer.SecretState, error) {
	app, err := apps.find(one)
	if err != nil {
		return nil, nil, nil, err
	}
	w, err := apps.want(ctx, s, app, "")
	if err != nil {
		return nil, nil, nil, err
	}
	engine, err := w.connect(ctx, s, apps)
	if err != nil {
		return nil, nil, nil, err
	}
	states, err := engine.Secrets(ctx, w.desired)
	if err != nil {
		engine.Close()
		return nil, nil, nil, err
	}
	return w, engine, states, nil
}

// pick finds a secret by its key in the compose file or its name on the swarm.
func pick(states []deployer.SecretState, name string) (deployer.SecretState, error) {
	var known []string
	for _, state := range states {
		if state.Key == name || state.Name == name {
			return state, nil
		}
		known = append(known, state.Key)
	}
	err := fault.New(fault.Usage, "the app has no secret %q", name)
	return deployer.SecretState{}, fault.Hint(err, "it has %s", strings.Join(known, ", "))
}

type secretGenerateCmd struct {
	oneApp  `embed:""`
	Secrets []string `arg:"" optional:"" name:"secret" help:"Only these (default: all that are missing)."`
	Show    bool     `help:"Print the values. They cannot be read back later."`
}

func (secretGenerateCmd) Help() string {
	return `Examples:
  galley app secret generate stats.example.org
  galley app secret generate stats.example.org db_password --show

A secret that exists keeps its value. Secrets marked generate=false in the env
file are left for "galley app secret insert".`
}

// Run makes what is missing.
func (c *secretGenerateCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	w, engine, states, err := secretsOf(ctx, s, apps, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, name := range c.Secrets {
		if _, err := pick(states, name); err != nil {
			return err
		}
	}
	type made struct {
		Key   string `json:"key"`
		Name  string `json:"name"`
		State string `json:"state"`
		Value string `json:"value,omitempty"`
	}
	answer := []made{}
	for _, state := range states {
		asked := len(c.Secrets) == 0 || slices.Contains(c.Secrets, state.Key) || slices.Contains(c.Secrets, state.Name)
		switch {
		case !asked:
			continue
		case state.Exists:
			answer = append(answer, made{Key: state.Key, Name: state.Name, State: "exists"})
			continue
		case !state.Generate:
			answer = append(answer, made{Key: state.Key, Name: state.Name, State: "to be inserted"})
			continue
		}
		value, err := deployer.Generate(state.SecretSpec, rand.Reader)
		if err != nil {
			return err
		}
		if err := engine.CreateSecret(ctx, w.desired.Stack.Name, state.Name, value); err != nil {
			return err
		}
		one := made{Key: state.Key, Name: state.Name, State: "generated"}
		if c.Show {
			one.Value = string(value)
		}
		answer = append(answer, one)
	}
	if s.json {
		return s.printJSON(map[string]any{"secrets": answer})
	}
	var rows [][]string
	for _, m := range answer {
		rows = append(rows, []string{m.Key, m.Name, m.State, m.Value})
	}
	if len(rows) == 0 {
		s.printf("%s needs no secrets\n", w.app.Domain)
		return nil
	}
	header := []string{"SECRET", "NAME", "STATE", ""}
	if c.Show {
		header[3] = "VALUE"
	}
	return s.table(header, rows)
}

type secretInsertCmd struct {
	oneApp `embed:""`
	Secret string `arg:"" help:"The secret's key in the compose file."`
	File   string `help:"Read the value from a file, byte for byte." placeholder:"FILE"`
}

func (secretInsertCmd) Help() string {
	return `Examples:
  galley app secret insert stats.example.org smtp_password      asks, without echo
  pass show smtp | galley app secret insert stats.example.org smtp_password
  galley app secret insert stats.example.org tls_key --file key.pem

A value is never taken from the command line, where other users see it.`
}

// Run reads the value and creates the secret.
func (c *secretInsertCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	w, engine, states, err := secretsOf(ctx, s, apps, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	state, err := pick(states, c.Secret)
	if err != nil {
		return err
	}
	if state.Exists { // before anybody types a value for nothing
		return deployer.SecretExists(state.Name)
	}
	value, err := c.value(ctx, s, grammar.NoInput)
	if err != nil {
		return err
	}
	if err := engine.CreateSecret(ctx, w.desired.Stack.Name, state.Name, value); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]string{"key": state.Key, "name": state.Name, "state": "inserted"})
	}
	s.printf("secret %s is inserted as %s\n", state.Key, state.Name)
	return nil
}

// value reads the secret from a file, a terminal without echo, or standard
// input, whose last newline is not part of it.
func (c *secretInsertCmd) value(ctx context.Context, s *streams, noInput bool) ([]byte, error) {
	if c.File != "" {
		return readLimited(c.File, 1<<20)
	}
	if terminal, ok := s.in.(*os.File); ok && s.ask && !noInput {
		return s.askSecret(ctx, terminal, c.Secret)
	}
	value, err := io.ReadAll(io.LimitReader(s.in, 1<<20))
	return bytes.TrimSuffix(value, []byte("\n")), err
}

// askSecret reads a line that is not echoed. After a ctrl-C the terminal echoes
// again, which the read that is left alone would not see to.
func (s *streams) askSecret(ctx context.Context, terminal *os.File, name string) ([]byte, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking for the value: %w", err)
	}
	fmt.Fprintf(s.err, "Value of %s: ", name)
	value, err := unlessCancelled(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(s.err)
	if ctx.Err() != nil {
		_ = term.Restore(fd, before) // best effort: the process ends
		return nil, fault.New(fault.Interrupted, "no answer; nothing was changed")
	}
	return value, err
}

type secretLsCmd struct {
	oneApp `embed:""`
}

func (secretLsCmd) Help() string { return "Examples:\n  galley app secret ls stats.example.org" }

// Run lists the app's secrets. Values are never shown: the swarm does not give
// them back.
func (c *secretLsCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	w, engine, states, err := secretsOf(ctx, s, apps, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	unused, err := engine.UnusedSecrets(ctx, w.desired, apps.otherStacks(w.app))
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"secrets": states, "unused": unused})
	}
	if len(states)+len(unused) == 0 {
		s.printf("%s needs no secrets\n", w.app.Domain)
		return nil
	}
	var rows [][]string
	for _, state := range states {
		exists := "missing"
		if state.Exists {
			exists = "exists"
		}
		rows = append(rows, []string{state.Key, state.Name, exists, strings.Join(state.UsedBy, " ")})
	}
	for _, u := range unused {
		note := "unused"
		if slices.ContainsFunc(states, func(state deployer.SecretState) bool { return state.Name == u.Rotates }) {
			note = "unused, of an interrupted rotation"
		}
		rows = append(rows, []string{"-", u.Name, note, ""})
	}
	return s.table([]string{"SECRET", "NAME", "STATE", "USED BY"}, rows)
}

type secretRmCmd struct {
	oneApp `embed:""`
	Secret string `arg:"" help:"The secret's key in the compose file."`
	Yes    bool   `short:"y" help:"Remove without asking."`
}

func (secretRmCmd) Help() string {
	return `Examples:
  galley app secret rm stats.example.org smtp_password --yes
  galley app secret rm stats.example.org stats_example_org_smtp_password_v1

An old version that nothing uses is named as galley app secret ls shows it. The
value cannot be had again.`
}

// Run removes one secret that no service uses.
func (c *secretRmCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	w, engine, states, err := secretsOf(ctx, s, apps, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	unused, err := engine.UnusedSecrets(ctx, w.desired, apps.otherStacks(w.app))
	if err != nil {
		return err
	}
	for _, u := range unused {
		spec := deployer.SecretSpec{Key: u.Name, Name: u.Name}
		states = append(states, deployer.SecretState{SecretSpec: spec, Exists: true, ID: u.ID})
	}
	state, err := pick(states, c.Secret)
	if err != nil {
		return err
	}
	if !state.Exists {
		return fault.New(fault.Unavailable, "the swarm has no secret %q", state.Name)
	}
	if !c.Yes {
		if err := s.confirm(ctx, fmt.Sprintf("Remove secret %s? Its value cannot be had again.", state.Name), "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	if err := engine.RemoveSecret(ctx, state); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]string{"key": state.Key, "name": state.Name, "state": "removed"})
	}
	s.printf("secret %s is removed\n", state.Name)
	return nil
}
