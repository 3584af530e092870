package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s219 = lint.Rule{
	ID: "S219", Name: "deploy-mode",
	Summary:  "deploy.mode is one that a swarm has, with keys that go with it",
	Severity: lint.Error,
	Check:    checkDeployMode,
}

var deployModes = []string{"replicated", "global", "replicated-job", "global-job"}

func checkDeployMode(p *lint.Pass) {
	eachDeployService(p, "mode", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "mode")
		mode, known := deployText(node)
		if !known {
			return
		}
		if !slices.Contains(deployModes, mode) {
			f.report(deployPlace(node), fmt.Sprintf("service %q has the mode %q; expected %s", s.name, mode, either(deployModes)))
			return
		}
		if strings.HasPrefix(mode, "global") {
			if replicas := s.get("deploy", "replicas"); replicas.Exists() && !replicas.IsNull() {
				at := s.upper(replicas, node)
				f.report(at.KeyRange(), fmt.Sprintf("service %q has both mode: %s and replicas, which a swarm refuses; expected one of them", s.name, mode),
					lint.WithRelated(node.Range(), "the mode"))
			}
		}
		if update := s.get("deploy", "update_config"); strings.HasSuffix(mode, "-job") && update.Exists() {
			at := s.upper(update, node)
			f.report(at.KeyRange(), fmt.Sprintf("service %q has both mode: %s and update_config, which a swarm refuses: a job is not updated", s.name, mode),
				lint.WithRelated(node.Range(), "the mode"))
		}
	})
}
