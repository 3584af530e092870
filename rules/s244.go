package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s244 = lint.Rule{
	ID: "S244", Name: "duplicate-file-target",
	Summary:  "no two configs or secrets of a service have one target",
	Severity: lint.Error,
	Check:    checkDuplicateFiles,
}

// checkDuplicateFiles looks at merges too: docker stack deploy keeps configs and
// secrets apart by their source, so an overlay's does not take the place of the
// base's at the same target.
func checkDuplicateFiles(p *lint.Pass) {
	seen := once{}
	for _, documents := range merges(p.Recipe) {
		for _, service := range serviceNames(documents) {
			for _, kind := range []string{"configs", "secrets"} {
				first := map[string]mountedFile{}
				for _, d := range documents {
					for _, f := range mountedFiles(d.Lookup("services", service), kind) {
						other, taken := first[f.target]
						if !taken {
							first[f.target] = f
							continue
						}
						again := other.node.Document() != f.node.Document() && other.source == f.source
						twice := !f.node.IsMap() && f.node.Text() == other.node.Text() // S202's
						if again || twice || !seen.first(f.at) {
							continue
						}
						p.Report(f.at, fmt.Sprintf("%s %q of service %q has the target of %q, %s; expected one of its own",
							kind[:len(kind)-1], shorten(f.source), service, shorten(other.source), shorten(f.target)),
							lint.WithRelated(other.at, "the first with this target"))
					}
				}
			}
		}
	}
}
