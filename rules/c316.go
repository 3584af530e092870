package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c316 = lint.Rule{
	ID: "C316", Name: "writable-root",
	Summary:  "services run on a read-only root file system",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, func(service recipe.Node) bool { return !truthy(fallback(service.Get("read_only").Text())) },
			"can write to its own programs", "read_only: true, with volumes and tmpfs for what changes")
	},
}
