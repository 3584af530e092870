// Command rulesdoc writes docs/rules.md: every rule by family, and a table of
// what other linters and scanners check and which rule of galley's does so.
//
//	go run ./internal/rulesdoc > docs/rules.md
//
// A test fails when the file in the repository is not what it writes, when a table
// names a rule that there is not, and when a file that shows what another tool
// looks for is not found by galley.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/rules"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	write(out, rules.All())
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "error: writing the rules:", err)
		os.Exit(3)
	}
}

// family is a group of rules by the beginning of their IDs.
type family struct {
	prefix, title, text string
}

var families = []family{
	{"R0", "The sixteen known rules", "What recipe maintainers have checked for years. The ids keep their meaning."},
	{"R1", "Recipe conventions", "Versions, `.env.sample`, `abra.sh`, overlays, metadata, templates and backups. Loose compose files are left alone."},
	{"S2", "Swarm semantics", "What a swarm makes of a compose file, and what it refuses, drops or reads differently. S201 to S203 are the schemas."},
	{"C3", "Security", "What gives a service, or a stranger, more than it needs. Where a swarm ignores a key, the page says so."},
	{"I4", "Images", "Tags, registries and digests. I410 to I415 ask registries or the catalogue, and say that they skipped when they may not."},
	{"D5", "Style", "Order, quotes and layout. Off unless asked for."},
	{"L0", "Ignore comments", "About the comments that hide findings. No comment hides these."},
}

const intro = `<!-- Written by internal/rulesdoc; do not edit. -->
# Rules

%d rules, of which %d are off by default. ` + "`galley explain RULE`" + ` prints a rule's page: why it is, a bad and a
good example, how to fix it and where it was seen. [linting.md](linting.md) tells how to switch rules on and off and how
to ignore a finding.

Error means that it will break or is unsafe, warning that it will hurt someone, info is advice. Rules marked *recipe* are
for recipes only, the others for any compose file of a swarm stack.
`

func write(w io.Writer, all []lint.Rule) {
	off := 0
	for _, r := range all {
		if r.Off {
			off++
		}
	}
	fmt.Fprintf(w, intro, len(all), off)
	for _, f := range families {
		f.write(w, all)
	}
	fmt.Fprint(w, elsewhere)
	for _, t := range tables {
		t.write(w, all)
	}
}

func (f family) write(w io.Writer, all []lint.Rule) {
	started := false
	for _, r := range all {
		if !strings.HasPrefix(r.ID, f.prefix) {
			continue
		}
		if !started {
			started = true
			fmt.Fprintf(w, "\n## %s\n\n%s\n\n| Rule | Name | Severity | For | Default | What holds when it is silent |\n|---|---|---|---|---|---|\n", f.title, f.text)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", link(r.ID), r.Name, r.Severity, audience(r), state(r), cell(r.Summary))
	}
}

func audience(r lint.Rule) string {
	if r.RecipeOnly {
		return "recipe"
	}
	return "any"
}

func state(r lint.Rule) string {
	if r.Off {
		return "off"
	}
	return "on"
}

func link(id string) string { return fmt.Sprintf("[%s](../rules/%s.md)", id, id) }

// cell is text in a table: its braces and angles are none of Markdown's.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, ">", `\>`, "*", `\*`, "_", `\_`).Replace(s)
}
