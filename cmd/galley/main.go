// Command galley proofs recipes, publishes them as a signed catalogue, and
// deploys them, verified, on a Docker Swarm. This package holds flags, printing
// and exit codes; what a command does is in the packages below it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"github.com/galley-coop/galley/internal/fault"
)

const (
	// exitBug is the code of a recovered panic: sysexits' EX_SOFTWARE.
	exitBug = 70
	// exitPipe is what a shell says of a program that SIGPIPE ended.
	exitPipe = 128 + 13
)

// cli is the grammar. One command has one type, in a file of its own.
type cli struct {
	Output  string `enum:"text,json,prometheus" default:"text" short:"o" help:"Format of the answer: ${enum} (the last for app ls, status and verify)."`
	NoInput bool   `help:"Never ask; what would be asked is refused."`

	Lint       lintCmd       `cmd:"" help:"Check recipes and compose files against the rules."`
	Explain    explainCmd    `cmd:"" help:"Print a rule's page."`
	LSP        lspCmd        `cmd:"" name:"lsp" help:"Serve an editor (language server protocol)."`
	Recipe     recipeCmd     `cmd:"" help:"Look at a recipe."`
	Registry   registryCmd   `cmd:"" help:"Ask image registries."`
	Catalogue  catalogueCmd  `cmd:"" help:"Build, sign, verify and read catalogues."`
	Server     serverCmd     `cmd:"" help:"Set up servers, and look after them."`
	App        appCmd        `cmd:"" help:"Deploy apps from a verified catalogue, and look after them."`
	Demo       demoCmd       `cmd:"" help:"Run the whole chain on sample recipes."`
	DemoApp    demoAppCmd    `cmd:"" hidden:"" help:"The sample app that the demo deploys."`
	Version    versionCmd    `cmd:"" help:"Print galley's version."`
	Completion completionCmd `cmd:"" help:"Print the shell code that completes galley's commands."`
	Carry      carryCmd      `cmd:"" hidden:"" help:"Carry a volume's data, inside a container."`
}

func main() {
	collectLate()
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Main runs one command line and returns its exit code. It is the whole program
// without a process, for tests and for the demo.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	io := newStreams(stdin, stdout, stderr)
	defer func() {
		if cause := recover(); cause != nil {
			code = io.bug(args, cause, debug.Stack())
		}
	}()
	ctx, signals, stop := watchSignals(context.Background())
	defer stop()

	var grammar cli
	exit := -1
	parser, err := newParser(&grammar, io, func(code int) { exit = code })
	if err != nil {
		return io.bug(args, err, debug.Stack())
	}
	kongcompletion.Register(parser)
	if len(args) == 0 { // nothing was asked for: say what could be, and that this was not it
		_, _ = parser.Parse([]string{"--help"})
		return fault.Usage.ExitCode()
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help was printed
		return exit
	}
	io.json, io.hooks = grammar.Output == "json" || err != nil && wantsJSON(args), grammar.App.hooks()
	io.prometheus = grammar.Output == "prometheus"
	if err == nil && io.prometheus {
		err = hasMetrics(parsed)
	}
	if err != nil {
		return io.fail(usageError(args, err))
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(io, signals, &grammar)
	err = parsed.Run()
	var done answered
	var inside exited
	if io.lost != nil && (err == nil || errors.As(err, &done) || errors.As(err, &inside)) {
		err = io.lost
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && fault.KindOf(err) == fault.Unavailable {
		err = fault.New(fault.Interrupted, "interrupted; nothing was changed")
	}
	return io.fail(err)
}

// newParser reads the grammar. exit is called when help was printed.
func newParser(grammar *cli, s *streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("galley"),
		kong.Description("galley proofs recipes, publishes them as a signed catalogue, and serves them aboard a swarm."),
		kong.Writers(s.out, s.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.ShortUsageOnError(),
		kong.Vars{"version": buildVersion(), "passphrase_variable": passphraseVariable},
	)
}

// wantsJSON reads a command line that kong could not parse to its end. What is
// behind a -- is another program's.
func wantsJSON(args []string) bool {
	for i, a := range args {
		if a == "--" {
			return false
		}
		if a == "--output=json" || a == "-ojson" || (a == "--output" || a == "-o") && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

func usageError(args []string, err error) error {
	command := "galley"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if selected := parse.Context.Command(); selected != "" {
			command += " " + strings.SplitN(selected, " <", 2)[0]
		}
	}
	return fault.Hint(fault.Wrap(fault.Usage, err), "%s --help tells what it takes", command)
}

// answered is returned by a command that printed its answer and only has the
// exit code left to give.
type answered struct{ kind fault.Kind }

func (a answered) Error() string { return "the answer is no" }

func (s *streams) fail(err error) int {
	var done answered
	if errors.As(err, &done) {
		return done.kind.ExitCode()
	}
	var inside exited
	if errors.As(err, &inside) {
		return inside.code
	}
	if s.nobodyReads(err) {
		return exitPipe
	}
	code := fault.KindOf(err).ExitCode()
	message, hint := oneLine(err.Error()), oneLine(fault.HintOf(err))
	if s.json {
		_ = json.NewEncoder(s.out).Encode(map[string]any{"error": map[string]any{"message": message, "hint": hint, "code": code}})
		return code
	}
	fmt.Fprintf(s.err, "galley: error: %s\n", message)
	if hint != "" {
		fmt.Fprintf(s.err, "galley: hint: %s\n", hint)
	}
	return code
}

// bug reports a panic. The stack goes to standard error for the report, with
// the arguments left out: they may name what is not ours to print.
func (s *streams) bug(args []string, cause any, stack []byte) int {
	name := "galley"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name += " " + args[0]
	}
	if s.json {
		_ = json.NewEncoder(s.out).Encode(map[string]any{"error": map[string]any{"message": fmt.Sprint("bug: ", cause), "code": exitBug}})
	}
	fmt.Fprintf(s.err, "galley: error: this is a bug in galley: %v\n", cause)
	fmt.Fprintf(s.err, "galley: hint: please report it with the lines below, the command (%s) and galley version %s\n", name, buildVersion())
	fmt.Fprintf(s.err, "%s", stack)
	return exitBug
}

// oneLine folds an error into one line: error texts carry bytes from recipes,
// registries and engines. Errors that were joined, a line each, stay apart.
func oneLine(s string) string {
	var folded strings.Builder
	for line := range strings.Lines(s) {
		line = strings.Join(strings.Fields(line), " ")
		switch before := folded.String(); {
		case line == "" || before == "":
		case strings.ContainsAny(before[len(before)-1:], ":;,"): // it goes on
			folded.WriteString(" ")
		default:
			folded.WriteString("; ")
		}
		folded.WriteString(line)
	}
	return visible(folded.String())
}

// visible replaces control characters, which a terminal would obey.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, s)
}
