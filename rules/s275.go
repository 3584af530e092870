package rules

import (
	"fmt"
	"strconv"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s275 = lint.Rule{
	ID: "S275", Name: "config-not-executable",
	Summary:  "a config that is run as a program has an executable mode",
	Severity: lint.Error,
	Check:    checkExecutableConfigs,
}

// checkExecutableConfigs looks at each merge that a deploy may make: the config
// may be the base's, and the entrypoint an overlay's.
func checkExecutableConfigs(p *lint.Pass) {
	seen := once{}
	for _, documents := range merges(p.Recipe) {
		for _, name := range serviceNames(documents) {
			program, files := startedProgram(documents, name)
			file, ok := files[program.text]
			if !ok || executable(file.mode) || !seen.first(program.place()) {
				continue
			}
			had := "no mode, which means 0444"
			if file.mode.Exists() {
				had = "mode " + file.mode.Text()
			}
			p.Report(program.place(), fmt.Sprintf("%s is the config %q with %s, so it cannot be run; expected mode: 0555", shorten(program.text), shorten(file.source), had),
				lint.WithRelated(file.at, "the config is mounted here"))
		}
	}
}

// startedProgram is the first word of what a service runs, and its configs by
// where they are mounted, later files first.
func startedProgram(documents []*recipe.Document, service string) (argument, map[string]mountedFile) {
	var entrypoint, command argument
	files := map[string]mountedFile{}
	for _, d := range documents {
		node := d.Lookup("services", service)
		if words := argumentWords(node.Get("entrypoint")); len(words) > 0 {
			entrypoint = words[0]
		}
		if words := argumentWords(node.Get("command")); len(words) > 0 {
			command = words[0]
		}
		for _, f := range mountedFiles(node, "configs") {
			files[f.target] = f
		}
	}
	if entrypoint.text != "" {
		return entrypoint, files
	}
	return command, files
}

// executable tells whether a mode lets somebody run the file, or is not known.
func executable(mode recipe.Node) bool {
	if !mode.Exists() {
		return false
	}
	if variable(mode) {
		return true
	}
	bits, ok := mode.Any().(int)
	if !ok {
		octal, err := strconv.ParseInt(mode.Text(), 8, 32)
		bits, ok = int(octal), err == nil
	}
	return !ok || bits&0o111 != 0
}
