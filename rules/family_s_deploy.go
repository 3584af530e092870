package rules

import "github.com/galley-coop/galley/lint"

// deployRules are about what a swarm makes of a service: its labels, updates,
// health checks, placement and ports.
func deployRules() []lint.Rule {
	return []lint.Rule{
		s210, s211, s212, s213, s214, s215, s216, s217, s218, s219,
		s220, s221, s222, s223, s224, s225, s226, s227, s228, s229,
		s230, s231, s232, s233, s234, s235, s236, s237, s238, s239,
	}
}
