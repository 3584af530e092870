package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/galley-coop/galley/deployer"
)

// watchDeploy begins to show a deploy: as a table that is drawn over itself on a
// terminal, as a line for each change elsewhere, and with --output json as one
// JSON document a line on standard output. done must be called before anything
// else is printed; the last picture stays.
func (s *streams) watchDeploy() (report func(deployer.Event), done func()) {
	switch file, ok := s.err.(*os.File); {
	case s.json:
		return s.eventJSON, func() {}
	case ok && s.progress && os.Getenv("TERM") != "dumb":
		b := newBoard(file, func() (int, int, error) { return term.GetSize(int(file.Fd())) }, s.colour)
		return b.event, b.close
	}
	return s.eventLines(), func() {}
}

// eventDocument is one change as a JSON line.
type eventDocument struct {
	Type string `json:"type"` // "event"; the last line has "outcome"
	deployer.Event
}

// outcomeDocument is the last line of a deploy's JSON.
type outcomeDocument struct {
	Type string `json:"type"` // "outcome"
	deployer.Outcome
}

// printLine writes one JSON document in one line.
func (s *streams) printLine(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (s *streams) eventJSON(e deployer.Event) {
	if err := s.printLine(eventDocument{"event", e}); err != nil && s.lost == nil {
		s.lost = fmt.Errorf("writing the progress: %w", err)
	}
}

// eventLines prints lines for a log, and none that says what the last one of the
// same service said: events differ in more than a line shows.
func (s *streams) eventLines() func(deployer.Event) {
	var mu sync.Mutex
	last := map[string]string{}
	return func(e deployer.Event) {
		text := e.Message
		if e.Service != "" {
			text = fmt.Sprintf("%s: %s, %d of %d", e.Service, e.Phase, e.Running, e.Slots)
			if note := eventNote(e); note != "" {
				text += ", " + note
			}
		}
		line := fmt.Sprintf("%-8s  %s", e.Stage, oneLine(text))
		mu.Lock()
		defer mu.Unlock()
		if e.Service != "" && last[e.Service] == line {
			return
		}
		last[e.Service] = line
		s.notef("%6.1fs  %s\n", e.Elapsed.Seconds(), line)
	}
}

// eventNote is what is said of a service beside its numbers.
func eventNote(e deployer.Event) string {
	var parts []string
	pulling := e.Phase == deployer.Pulling && len(e.Nodes) > 0
	if pulling {
		parts = append(parts, "on "+strings.Join(e.Nodes, ", "))
	}
	if _, said, ok := strings.Cut(e.Health, ": "); ok && e.Phase != deployer.Settled {
		parts = append(parts, "health check: "+said)
	}
	if e.Message != "" && !pulling { // it would name the nodes again
		parts = append(parts, e.Message)
	}
	return oneLine(strings.Join(parts, ", "))
}

// redrawEvery is how often times move on the board while nothing else happens.
const redrawEvery = time.Second

// board is the live table. Its rows are drawn over the last ones; what is said of
// the stack as a whole scrolls away above them.
type board struct {
	mu     sync.Mutex
	out    io.Writer
	size   func() (width, height int, err error)
	colour bool
	rows   []*boardRow
	drawn  int // lines of the last picture
	began  time.Time
	stop   chan struct{}
	once   sync.Once
}

// boardRow is one service.
type boardRow struct {
	deployer.Event
	began, ended time.Time // ended is zero while the phase is not final
}

func newBoard(out io.Writer, size func() (int, int, error), colour bool) *board {
	b := &board{out: out, size: size, colour: colour, began: time.Now(), stop: make(chan struct{})}
	go b.tick()
	return b
}

func (b *board) tick() {
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.mu.Lock()
			b.draw("", time.Now())
			b.mu.Unlock()
		}
	}
}

// event takes one change.
func (b *board) event(e deployer.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if e.Service == "" {
		b.draw(fmt.Sprintf("%6.1fs  %-8s  %s", now.Sub(b.began).Seconds(), e.Stage, oneLine(e.Message)), now)
		return
	}
	row := b.row(e.Service)
	if row.Stage != e.Stage {
		row.began = now
	}
	row.Event, row.ended = e, time.Time{}
	switch e.Phase {
	case deployer.Settled, deployer.Broken, deployer.Reversed:
		row.ended = now
	}
	b.draw("", now)
}

func (b *board) row(service string) *boardRow {
	for _, row := range b.rows {
		if row.Service == service {
			return row
		}
	}
	row := &boardRow{}
	b.rows = append(b.rows, row)
	return row
}

// close draws the last picture and leaves it.
func (b *board) close() {
	b.once.Do(func() {
		close(b.stop)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.draw("", time.Now())
		b.drawn = 0
	})
}

// draw writes a line that stays, when there is one, and the table below it.
func (b *board) draw(line string, now time.Time) {
	width, height, err := b.size()
	if err != nil || width < 20 || height < 5 {
		width, height = 80, 24
	}
	var out strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", b.drawn)
	}
	out.WriteString("\r\x1b[J")
	if line != "" {
		out.WriteString(cut(line, width) + "\n")
	}
	table := b.picture(width, height-2, now)
	for _, text := range table {
		out.WriteString(text + "\n")
	}
	b.drawn = len(table)
	_, _ = io.WriteString(b.out, out.String()) // a terminal that went away shows nothing
}

// picture is the table in at most height lines of at most width characters. When
// there is not room for all services, those that are done are counted only.
func (b *board) picture(width, height int, now time.Time) []string {
	if len(b.rows) == 0 {
		return nil
	}
	rows, left := b.shown(max(height, 3) - 1)
	name := len("SERVICE")
	for _, row := range rows {
		name = max(name, utf8.RuneCountInString(row.Service))
	}
	lines := []string{cut(fmt.Sprintf("%-*s  %-7s  %-11s  %-9s  %8s", name, "SERVICE", "TASKS", "STATE", "HEALTH", "ELAPSED"), width)}
	for _, row := range rows {
		until := row.ended
		if until.IsZero() {
			until = now
		}
		text := fmt.Sprintf("%-*s  %-7s  %-11s  %-9s  %7.1fs  %s", name, visible(row.Service), fmt.Sprintf("%d/%d", row.Running, row.Slots),
			row.Phase, row.health(), until.Sub(row.began).Seconds(), row.note())
		text = cut(strings.TrimRight(text, " "), width)
		if colour := phaseColours[row.Phase]; b.colour && colour != "" {
			text = colour + text + "\x1b[0m"
		}
		lines = append(lines, text)
	}
	if left > 0 {
		lines = append(lines, cut(fmt.Sprintf("… and %s", count(left, "more service")), width))
	}
	return lines
}

// health is the state alone: what the check said stands in the note.
func (r *boardRow) health() string {
	state, _, _ := strings.Cut(r.Health, ":")
	return cmp.Or(oneLine(state), "-")
}

// note is what is said beside a service.
func (r *boardRow) note() string {
	note := eventNote(r.Event)
	if r.Stage == "put back" {
		note = strings.TrimSpace("put back " + note)
	}
	return note
}

// shown are the rows that fit into n lines, in their order, and how many do not:
// those that are settled give way first.
func (b *board) shown(n int) (rows []*boardRow, left int) {
	if len(b.rows) <= n {
		return b.rows, 0
	}
	n = max(n-1, 1) // the last line counts the others
	keep := map[*boardRow]bool{}
	for _, settled := range []bool{false, true} {
		for _, row := range b.rows {
			if len(keep) < n && (row.Phase == deployer.Settled) == settled {
				keep[row] = true
			}
		}
	}
	for _, row := range b.rows {
		if keep[row] {
			rows = append(rows, row)
		}
	}
	return rows, len(b.rows) - len(rows)
}

// phaseColours are a terminal's (ECMA-48).
var phaseColours = map[deployer.Phase]string{
	deployer.Settled: "\x1b[32m", deployer.Broken: "\x1b[31m", deployer.Reversed: "\x1b[31m",
}
