package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appConfigCmd struct {
	oneApp  `embed:""`
	Version string `arg:"" optional:"" help:"The version to check the result against (default: the one in the env file, else the newest)."`
}

func (appConfigCmd) Help() string {
	return `Examples:
  galley app config stats.example.org
  EDITOR=nano galley app config stats.example.org

Opens $VISUAL, else $EDITOR, on a copy of the env file that only you can read. When
it ends, the copy is checked as galley app check --local does; if something is wrong
you are asked whether to edit again, keep it all the same, or drop it. The env file
is replaced as a whole, or stays as it is.`
}

// Run edits an app's env file.
func (c *appConfigCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	if !s.ask || grammar.NoInput {
		err := fault.New(fault.Usage, "an editor needs a terminal, and there is none")
		return fault.Hint(err, "edit %s, then run galley app check %s", app.Path, app.Domain)
	}
	editor := editorOf()
	if editor == "" {
		return fault.Hint(fault.New(fault.Usage, "no editor is named"), "set VISUAL or EDITOR")
	}
	read, err := apps.read(ctx, s, app, c.Version)
	if err != nil { // an env file can be edited without a catalogue
		s.notef("galley: warning: the result cannot be checked: %s\n", oneLine(err.Error()))
	}
	draft, err := app.Edit()
	if err != nil {
		return err
	}
	defer func() { _ = draft.Discard() }()
	edit := func() error { return s.runEditor(ctx, editor, draft.Path) }
	kept, err := s.editUntil(ctx, draft, read, edit)
	if err != nil || !kept {
		return err
	}
	if err := draft.Keep(); err != nil {
		return err
	}
	s.printf("%s is changed; galley app plan %s shows what a deploy would do\n", app.Path, app.Domain)
	return nil
}

// editorOf is the operator's editor, "" without any.
func editorOf() string {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if editor := strings.TrimSpace(os.Getenv(name)); editor != "" {
			return editor
		}
	}
	return ""
}

// runEditor runs the editor as git does: its text may have arguments of its own.
func (s *streams) runEditor(ctx context.Context, editor, path string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
	if err := cmd.Run(); err != nil {
		err = fault.New(fault.Unavailable, "the editor %q: %w; the env file is as it was", editor, err)
		return fault.Hint(err, "set VISUAL or EDITOR to one that works")
	}
	return nil
}

// editUntil edits until the draft is right, or is kept or dropped as it is.
func (s *streams) editUntil(ctx context.Context, draft *deployer.Draft, read *readEntry, edit func() error) (keep bool, err error) {
	in := bufio.NewReader(s.in)
	for ctx.Err() == nil {
		if err := edit(); err != nil {
			return false, err
		}
		changed, err := draft.Changed()
		if err != nil || !changed {
			s.notef("galley: note: nothing was changed\n")
			return false, err
		}
		wrong, err := s.checkDraft(ctx, draft, read)
		if err != nil {
			return false, err
		}
		if !wrong {
			return true, nil
		}
		switch s.choose(ctx, in) {
		case "k":
			return true, nil
		case "d":
			s.notef("galley: note: the env file is as it was\n")
			return false, nil
		}
	}
	return false, fault.New(fault.Interrupted, "interrupted; the env file is as it was")
}

// checkDraft tells what is wrong with the draft, if anything.
func (s *streams) checkDraft(ctx context.Context, draft *deployer.Draft, read *readEntry) (wrong bool, err error) {
	edited, err := draft.App()
	if err != nil {
		return false, err
	}
	if read != nil {
		findings, _ := deployer.CheckEnv(ctx, edited, read.recipe, read.entry)
		for _, f := range findings {
			s.notef("%s: %s\n", f.Severity, oneLine(f.String()))
		}
		wrong = deployer.EnvFails(findings)
		if edited.Recipe != read.entry.Recipe {
			s.notef("error: TYPE names the recipe %q; it was %q\n", edited.Recipe, read.entry.Recipe)
			wrong = true
		}
	}
	stale, err := draft.Stale()
	if err == nil && stale {
		s.notef("galley: warning: somebody else changed the env file meanwhile; keeping this one drops what they wrote\n")
		wrong = true
	}
	return wrong, err
}

// choose asks what to do with a draft that is not right. No answer drops it.
func (s *streams) choose(ctx context.Context, in *bufio.Reader) string {
	for ctx.Err() == nil {
		fmt.Fprint(s.err, "[e]dit again, [k]eep it, [d]rop it? ")
		line, err := unlessCancelled(ctx, func() (string, error) { return in.ReadString('\n') })
		answer := strings.ToLower(strings.TrimSpace(line))
		switch {
		case answer != "" && strings.Contains("ekd", answer[:1]):
			return answer[:1]
		case err != nil:
			fmt.Fprintln(s.err)
			return "d"
		}
	}
	return "d"
}
