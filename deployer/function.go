package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// scriptVariable carries abra.sh into the container. That way it needs no file,
// which a read-only root would not take, and no standard input, which is the
// function's own.
const scriptVariable = "GALLEY_SCRIPT"

// maxScript bounds abra.sh, in bytes: the kernel takes no single string of 128 KiB
// or more (MAX_ARG_STRLEN, execve(2)).
const maxScript = 127 << 10

// The shells' part. bash is taken where there is one, for abra.sh is often written
// for it. The call is written out, not handed on as arguments: a script's top level
// may set those.
const (
	chooseShell = `if command -v bash >/dev/null 2>&1; then exec bash -c "$0"; fi; exec sh -c "$0"`
	readScript  = `eval "$` + scriptVariable + `"; unset ` + scriptVariable + `;`
)

// shellWords quotes words for a shell, each as one.
func shellWords(words ...string) string {
	var line strings.Builder
	for _, word := range words {
		line.WriteString(" '" + strings.ReplaceAll(word, "'", `'\''`) + "'")
	}
	return line.String()
}

// Functions are the names of a script's functions, sorted, each once. They are
// read and never run here.
func Functions(script *recipe.Script) []string {
	names := []string{}
	if script != nil {
		for _, f := range script.Functions {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Call makes the command that runs a function of abra.sh inside the container,
// with the variables that clients of recipes give it: those of the app's env file
// that the container does not have itself, and STACK_NAME, DOMAIN, APP_NAME, SERVICE
// and TARGET. service is the compose file's name. A function that the script does not
// have is an error.
func (c *Container) Call(ctx context.Context, app App, script *recipe.Script, service, function string, args []string) (ExecOptions, error) {
	names := Functions(script)
	if !slices.Contains(names, function) {
		return ExecOptions{}, noFunction(app.Recipe, function, names)
	}
	text := string(script.Text.Bytes)
	if len(text) > maxScript || strings.Contains(text, "\x00") {
		return ExecOptions{}, fault.New(fault.Unavailable, "%s of %s has %d bytes; expected at most %d, none of them NUL", recipe.ScriptName, app.Recipe, len(text), maxScript)
	}
	values, err := app.Environ()
	if err != nil {
		return ExecOptions{}, err
	}
	has, err := c.environment(ctx)
	if err != nil {
		return ExecOptions{}, err
	}
	maps.DeleteFunc(values, func(name, _ string) bool { return has[name] })
	maps.Copy(values, map[string]string{
		"STACK_NAME": app.Stack, "DOMAIN": app.Domain, "APP_NAME": app.Domain, "SERVICE": service, "TARGET": service, scriptVariable: text,
	})
	call := readScript + shellWords(append([]string{function}, args...)...)
	o := ExecOptions{Command: []string{"sh", "-c", chooseShell, call}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		o.Env = append(o.Env, name+"="+values[name])
	}
	return o, nil
}

func noFunction(recipeName, function string, names []string) error {
	err := fault.New(fault.Usage, "%s of %s has no function %q", recipe.ScriptName, recipeName, function)
	if len(names) == 0 {
		return fault.Hint(err, "it has no functions at all")
	}
	if near := fault.Near(function, names); len(near) > 0 {
		return fault.Hint(err, "did you mean %s?", strings.Join(near, ", "))
	}
	return fault.Hint(err, "it has %s", strings.Join(names[:min(len(names), 20)], ", "))
}

// environment are the names of the variables that the container has, by its image
// or its service: abra.sh sees the values that the app sees.
func (c *Container) environment(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	inspected, err := c.api.ContainerInspect(ctx, c.ID)
	if err != nil {
		return nil, fmt.Errorf("looking at the container of service %q: %w", c.Service, err)
	}
	names := map[string]bool{}
	if inspected.Config != nil {
		for _, e := range inspected.Config.Env {
			name, _, _ := strings.Cut(e, "=")
			names[name] = true
		}
	}
	return names, nil
}

// HasService tells whether the stack has a service, named in full or as the compose
// file calls it.
func (d *Desired) HasService(name string) bool {
	_, err := d.service(name)
	return err == nil
}
