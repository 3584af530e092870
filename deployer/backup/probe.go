package backup

import (
	"context"
	"time"

	"github.com/galley-coop/galley/deployer"
)

// Probe runs what a recipe has to tell whether the app works, each command in its service's
// container, and returns how many there were. Without one it is 0: health checks
// have spoken then, and nothing else can.
func Probe(ctx context.Context, e *deployer.Engine, desired *deployer.Desired, within time.Duration) (int, error) {
	probes := NewScope(desired.Stack).Probes
	for _, h := range probes {
		if _, err := h.run(ctx, e, desired.Stack.Name, "probe", within); err != nil {
			return len(probes), err
		}
	}
	return len(probes), nil
}

// Wanted tells whether a stack's labels ask for a backup before an upgrade, or before any
// deploy.
func Wanted(stack *deployer.Stack, upgrade bool) bool {
	switch NewScope(stack).Before {
	case "deploy":
		return true
	case "upgrade":
		return upgrade
	}
	return false
}
