package deployer

import (
	"fmt"
	"time"
)

// conclude ends a watch: at the first service that cannot come up any more, or
// when all are settled at once. Like judge it looks at the present alone.
//
// A service whose tasks keep failing is broken once the rest of the stack
// stands, and not before: it may fail because its database is not there yet.
func conclude(progress map[string]Progress) (watched, bool) {
	settled := 0
	for _, name := range sortedKeys(progress) {
		switch p := progress[name]; p.Phase {
		case Settled:
			settled++
		case Failing:
			if !excused(name, progress) {
				return broken(Failed, name, progress), true
			}
		case Broken:
			return broken(Failed, name, progress), true
		case Reversed:
			return broken(RolledBack, name, progress), true
		}
	}
	return watched{verdict: Converged, progress: progress}, settled == len(progress)
}

func broken(verdict Verdict, name string, progress map[string]Progress) watched {
	return watched{verdict: verdict, reason: fmt.Sprintf("service %s: %s", name, progress[name].Reason), progress: progress}
}

// excused tells whether a failing service may yet be waiting for another: one
// that is still on its way, or that came up only after the failing task was made.
// One that fails itself excuses nobody, or two of them would wait for each other.
func excused(name string, progress map[string]Progress) bool {
	var stood time.Time
	for other, p := range progress {
		if other == name || p.Phase == Failing {
			continue
		}
		if p.Phase == Pulling || p.Phase == Starting {
			return true
		}
		stood = later(stood, p.Since)
	}
	failed := progress[name].Failed
	return failed != nil && failed.CreatedAt.Before(stood)
}
