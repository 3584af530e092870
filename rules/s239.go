package rules

import (
	"fmt"
	"regexp"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s239 = lint.Rule{
	ID: "S239", Name: "template-unread",
	Summary:  "placeholders such as {{.Node.ID}} stand where a swarm fills them in",
	Severity: lint.Warning,
	Check:    checkTemplateUnread,
}

// servicePlaceholder is what a swarm fills in: in environment, hostname and
// mounts, and nowhere else.
var servicePlaceholder = regexp.MustCompile(`\{\{-?\s*\.(?:Node\.(?:ID|Hostname|Platform)|Task\.(?:ID|Name|Slot)|Service\.(?:ID|Name))\b[^}]*\}\}`)

// unreadKeys are keys of a service whose values are taken as they are.
var unreadKeys = []string{
	"image", "command", "entrypoint", "healthcheck", "labels", "user", "working_dir", "networks", "extra_hosts", "dns", "stop_signal",
}

func checkTemplateUnread(p *lint.Pass) {
	if !deployMentions(p.Recipe, "{{") {
		return
	}
	eachDeployService(p, "{{", func(f *deployFinder, s deployService) {
		look := func(key string, n recipe.Node) {
			n.Scalars(func(_ []string, scalar recipe.Node) {
				at := servicePlaceholder.FindStringIndex(scalar.Text())
				if at == nil {
					return
				}
				found := scalar.Text()[at[0]:at[1]]
				f.report(oneLine(scalar, scalar.Sub(at[0], at[1])), fmt.Sprintf("%s in %s of service %q stays as it is: a swarm fills it in in environment, hostname and volumes only", found, key, s.name))
			})
		}
		for _, key := range unreadKeys {
			look(key, s.get(key))
		}
		look("deploy.labels", s.get("deploy", "labels"))
	})
}
