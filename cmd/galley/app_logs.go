package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appLogsCmd struct {
	oneApp     `embed:""`
	Services   []string `arg:"" optional:"" name:"service" help:"Only these services (default: all)."`
	Follow     bool     `short:"f" help:"Go on with what comes, until ctrl-C."`
	Since      string   `help:"Leave out what is older: a time before now (10m), or a moment (2026-01-02T15:04:05Z)." placeholder:"TIME"`
	Tail       int      `short:"n" help:"Only the last lines of all services together." placeholder:"N"`
	Timestamps bool     `short:"t" help:"Show when each line was written."`
}

func (appLogsCmd) Help() string {
	return `Examples:
  galley app logs stats.example.org
  galley app logs stats.example.org app --since 10m --timestamps
  galley app logs stats.example.org --follow --tail 50
  galley app logs stats.example.org --output json | jq -r .line

The lines of all services, merged by time: of what runs, and of each slot the last
task that ended. With --output json each line is a document. What would move a
terminal's cursor is left out of the text.`
}

// Run prints the logs.
func (c *appLogsCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	options := deployer.LogOptions{Services: c.Services, Follow: c.Follow, Tail: c.Tail, Note: func(text string) { s.notef("galley: warning: %s\n", oneLine(text)) }}
	if c.Tail < 0 || c.Tail > deployer.MaxTail {
		return fault.New(fault.Usage, "--tail %d; expected 1 to %d, 0 for all", c.Tail, deployer.MaxTail)
	}
	if err := since(c.Since, &options); err != nil {
		return err
	}
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	printer := logPrinter{s: s, stack: app.Stack, stamps: c.Timestamps}
	options.Began = printer.begin
	return engine.Logs(ctx, app.Stack, options, printer.print)
}

// since reads "10m" or a moment.
func since(text string, o *deployer.LogOptions) error {
	if text == "" {
		return nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		o.Ago = ago
		return nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			o.Since = at
			return nil
		}
	}
	return fault.New(fault.Usage, "--since %q; expected a time before now like 10m, or a moment like 2026-01-02T15:04:05Z", text)
}

// logPrinter prints lines as they come.
type logPrinter struct {
	s      *streams
	stack  string
	stamps bool
	width  int // of the widest prefix
}

// widestPrefix bounds the column of services, in characters.
const widestPrefix = 30

// begin makes room for the services' names and the number of a slot, so that the
// first lines stand where the later ones do.
func (p *logPrinter) begin(services []string) {
	for _, service := range services {
		p.width = min(max(p.width, len(strings.TrimPrefix(service, p.stack+"_"))+len(".1")), widestPrefix)
	}
}

func (p *logPrinter) print(line deployer.LogLine) error {
	if p.s.json {
		encoder := json.NewEncoder(p.s.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(line)
	}
	prefix := strings.TrimPrefix(line.Service, p.stack+"_")
	if line.Slot > 0 {
		prefix = fmt.Sprintf("%s.%d", prefix, line.Slot)
	} else {
		prefix += "@" + oneLine(line.Node)
	}
	p.width = min(max(p.width, len(prefix)), widestPrefix)
	text := fmt.Sprintf("%-*s | ", p.width, prefix)
	if p.s.colour {
		text = colourOf(line.Service) + text + "\x1b[0m"
	}
	if p.stamps {
		text += line.Time.Local().Format("2006-01-02T15:04:05.000Z07:00") + " "
	}
	_, err := fmt.Fprintf(p.s.out, "%s%s\n", text, printable(line.Line))
	return err
}

// colourOf is a service's colour: the same one each time.
func colourOf(service string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(service)) // it never fails
	return fmt.Sprintf("\x1b[%dm", []int{31, 32, 33, 34, 35, 36, 92, 93, 94, 95, 96}[sum.Sum32()%11])
}

// escapes are what programs send to terminals to colour text, to move the cursor
// and to set a title (ECMA-48: CSI and OSC sequences).
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)`)

// printable is a line of a container that a terminal does not obey. Its colours go
// without a trace, everything else that controls is made visible; tabs stay.
func printable(line string) string {
	cells := strings.Split(escapes.ReplaceAllString(line, ""), "\t")
	for i := range cells {
		cells[i] = visible(cells[i])
	}
	return strings.Join(cells, "\t")
}
