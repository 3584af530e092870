package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue"
)

// show runs one galley command as a user would type it, prints it with what it
// says, and checks its exit code.
func (s *stage) show(ctx context.Context, want int, args ...string) error {
	fmt.Fprintf(s.Out, "\n$ galley %s\n", strings.Join(quoted(args), " "))
	command := s.command(ctx, s.Self, args...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	scanner := bufio.NewScanner(&output)
	for scanner.Scan() {
		fmt.Fprintf(s.Out, "  %s\n", strings.ReplaceAll(scanner.Text(), s.home, "…"))
	}
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return fmt.Errorf("running galley %s: %w", args[0], err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code != want {
		return fmt.Errorf("galley %s ended with exit code %d; the demo expects %d", strings.Join(args, " "), code, want)
	}
	if code != 0 {
		fmt.Fprintf(s.Out, "  (exit code %d)\n", code)
	}
	return nil
}

// command runs in the demo's folder, with a home, a cache and a docker config of
// its own.
func (s *stage) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 2 * time.Minute // what it takes to put a stack back
	dieTogether(command)
	command.Dir = s.home
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.path("home"), "XDG_CACHE_HOME=" + s.path("cache"),
		"DOCKER_CONFIG=" + s.path("docker"), "DOCKER_HOST=" + s.host, "NO_COLOR=1",
		"GALLEY_DIR=" + s.path("galley"), "GALLEY_CATALOGUE=public", "GALLEY_NO_DNS_CHECK=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
	}
	return command
}

func quoted(args []string) []string {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = a
		if strings.ContainsAny(a, " $*`") {
			shown[i] = "'" + a + "'"
		}
	}
	return shown
}

func (s *stage) title(text string) {
	fmt.Fprintf(s.Out, "\n%s\n%s\n", text, strings.Repeat("=", len(text)))
}

func (s *stage) lint(ctx context.Context) error {
	s.title("Two recipes in git are linted")
	return s.show(ctx, 0, "lint", "recipes")
}

func (s *stage) publish(ctx context.Context) error {
	s.title("Every version becomes an entry of a signed catalogue")
	if err := s.show(ctx, 0, "catalogue", "init", "."); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("galley-catalogue.yml"), []byte(catalogueConfig), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\n$ cat galley-catalogue.yml\n%s", indent(catalogueConfig))
	for _, args := range [][]string{
		{"catalogue", "build"}, {"catalogue", "sign"}, {"catalogue", "verify", "public"}, {"catalogue", "show", "greeter@1.0.0+1.0"},
	} {
		if err := s.show(ctx, 0, args...); err != nil {
			return err
		}
	}
	return nil
}

const catalogueConfig = `name: demo
sources:
  - path: recipes/greeter
  - path: recipes/pages
    gate: error
`

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func (s *stage) plan(ctx context.Context) error {
	s.title("An operator makes an app of it, and looks at the plan")
	if err := s.show(ctx, 0, "app", "new", "greeter:1.0.0+1.0", "--domain", domain); err != nil {
		return err
	}
	if s.host == "" {
		return s.show(ctx, 1, "app", "plan", domain, "--fresh")
	}
	if err := s.show(ctx, 0, "app", "secret", "generate", domain); err != nil {
		return err
	}
	return s.show(ctx, 1, "app", "plan", domain)
}

func (s *stage) deploy(ctx context.Context) error {
	s.title("The deploy: pinned, watched, and compared with the entry")
	return s.showAll(ctx, []string{"app", "deploy", domain, "--yes"}, []string{"app", "verify", domain})
}

func (s *stage) upgrade(ctx context.Context) error {
	s.title("An upgrade")
	return s.showAll(ctx, []string{"app", "deploy", domain, "1.1.0+1.1", "--yes"}, []string{"app", "status", domain})
}

func (s *stage) showAll(ctx context.Context, commands ...[]string) error {
	for _, args := range commands {
		if err := s.show(ctx, 0, args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) fail(ctx context.Context) error {
	s.title("An upgrade that never becomes healthy: the whole stack is put back")
	if err := s.show(ctx, 5, "app", "deploy", domain, "2.0.0+2.0", "--yes"); err != nil {
		return err
	}
	return s.showAll(ctx, []string{"app", "status", domain}, []string{"app", "verify", domain})
}

// tamper flips one byte of the bundle that a deploy of the newest version reads,
// and puts it right again.
func (s *stage) tamper(ctx context.Context) error {
	s.title("Somebody changes one byte of the published catalogue")
	bundle, err := s.newestBundle()
	if err != nil {
		return fmt.Errorf("finding the published bundle: %w", err)
	}
	if err := flip(bundle); err != nil {
		return err
	}
	if err := s.show(ctx, 4, "catalogue", "verify", "public"); err != nil {
		return err
	}
	if err := s.show(ctx, 4, "app", "deploy", domain, "2.0.0+2.0", "--yes"); err != nil {
		return err
	}
	return flip(bundle)
}

func (s *stage) newestBundle() (string, error) {
	var published catalogue.Recipe
	if err := readJSON(s.path("public", "v1", "recipes", "greeter.json"), &published); err != nil {
		return "", err
	}
	newest := published.Newest()
	if newest == nil {
		return "", errors.New("nothing is published")
	}
	var entry catalogue.Entry
	if err := readJSON(s.path("public", "v1", "entries", newest.Entry+".json"), &entry); err != nil {
		return "", err
	}
	return s.path("public", filepath.FromSlash(entry.Bundle.Path())), nil
}

func readJSON(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// flip inverts the lowest bit of a file's middle byte.
func flip(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(name, data, 0o644)
}

func (s *stage) undeploy(ctx context.Context) error {
	s.title("And off again")
	return s.show(ctx, 0, "app", "undeploy", domain, "--yes")
}
