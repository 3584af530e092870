package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/galley-coop/galley/internal/fault"
)

// measured is a command that has --output prometheus.
type measured interface{ measures() }

// textfileFlag is of commands that have metrics.
type textfileFlag struct {
	Textfile string `help:"Write the answer as Prometheus metrics to this file, too, whole or not at all: for node_exporter's textfile collector, *.prom." placeholder:"FILE"`
}

func (textfileFlag) measures() {}

// hasMetrics refuses --output prometheus for a command that has none.
func hasMetrics(parsed *kong.Context) error {
	node := parsed.Selected()
	if node != nil && node.Target.CanAddr() {
		if _, ok := node.Target.Addr().Interface().(measured); ok {
			return nil
		}
	}
	return fault.New(fault.Usage, "this command has no metrics: --output prometheus is for app ls, app status and app verify")
}

// metrics are gauges in the order in which they were first given a value.
type metrics struct {
	order   []string
	samples map[string][]string // by name, with the help before
}

// label is one label of a sample.
type label struct{ name, value string }

// set gives a gauge a value. help is taken from the first.
func (m *metrics) set(name, help string, value float64, labels ...label) {
	if m.samples == nil {
		m.samples = map[string][]string{}
	}
	if _, ok := m.samples[name]; !ok {
		m.order = append(m.order, name)
		m.samples[name] = []string{"# HELP " + name + " " + help, "# TYPE " + name + " gauge"}
	}
	m.samples[name] = append(m.samples[name], name+labelText(labels)+" "+strconv.FormatFloat(value, 'f', -1, 64))
}

// flag is set for yes and no.
func (m *metrics) flag(name, help string, yes bool, labels ...label) {
	value := 0.0
	if yes {
		value = 1
	}
	m.set(name, help, value, labels...)
}

// moment is set for a point in time, left out when there is none.
func (m *metrics) moment(name, help string, at time.Time, labels ...label) {
	if !at.IsZero() {
		m.set(name, help, float64(at.Unix()), labels...)
	}
}

// labelEscapes are those of a label's value in the text format, version 0.0.4.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labelText(labels []label) string {
	if len(labels) == 0 {
		return ""
	}
	var parts []string
	for _, l := range labels {
		parts = append(parts, fmt.Sprintf(`%s="%s"`, l.name, labelEscapes.Replace(strings.ToValidUTF8(l.value, "\ufffd"))))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// String is the exposition, in Prometheus' text format.
func (m *metrics) String() string {
	var out strings.Builder
	for _, name := range m.order {
		for _, line := range m.samples[name] {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// write puts the exposition in a file's place: a collector that reads meanwhile
// gets the old one. Everybody may read it, as the collector is another user.
func (m *metrics) write(name string) error {
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(m.String())
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	return nil
}

// answer prints an answer in the format that was asked for, and writes its metrics
// where they are to be written.
func (s *streams) answer(doc any, m *metrics, textfile string, text func() error) error {
	if textfile != "" {
		if err := m.write(textfile); err != nil {
			return err
		}
	}
	switch {
	case s.json:
		return s.printJSON(doc)
	case s.prometheus:
		s.printf("%s", m)
		return nil
	}
	return text()
}
