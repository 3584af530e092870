package deployer

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Good tells whether a record is of a version that ran: it was brought to the swarm,
// converged, and stayed.
func (r Record) Good() bool {
	switch r.Operation {
	case "", OpDeploy, OpUpgrade, OpRollback, OpRestore:
		return r.Verdict == Converged && r.State == StateNew && r.To != ""
	}
	return false
}

// RollbackTo finds in a stack's history what to go back to from the version that
// runs: the newest good record of a recipe with another version, or of the version
// that is asked for. Without one asked for, versions that are newer than what runs
// are left out, so that going back twice goes back two steps; and so are work trees,
// which nobody can have again: notes tell of those.
//
// A version that is asked for and was never recorded gives ok false and no error:
// a catalogue may have it.
func RollbackTo(history []Record, recipeName, running, asked string) (to Record, ok bool, notes []string, err error) {
	if asked != "" {
		if err := wayBack(running, asked); err != nil {
			return Record{}, false, nil, err
		}
	}
	for i := len(history) - 1; i >= 0; i-- {
		r := history[i]
		switch {
		case r.Recipe != recipeName || !r.Good() || r.To == running:
		case asked != "" && r.To != asked:
		case r.Entry == "" && asked != "":
			err := fault.New(fault.Unavailable, "version %s was deployed from a work tree by %s, and cannot be had again", r.To, r.By)
			return Record{}, false, nil, fault.Hint(err, "galley app deploy --chaos deploys the folder that it is in")
		case r.Entry == "":
			notes = append(notes, fmt.Sprintf("%s was deployed from a work tree by %s, and is passed over", r.To, r.By))
		case asked == "" && newerVersion(r.To, running):
		default:
			return r, true, notes, nil
		}
	}
	if asked != "" {
		return Record{}, false, nil, nil
	}
	err = fault.New(fault.Unavailable, "the stack's history has no version before %s that ran well", running)
	return Record{}, false, notes, fault.Hint(err, "galley app rollback takes a version of the catalogue, too")
}

// wayBack refuses a version that is not behind the one that runs.
func wayBack(running, asked string) error {
	if asked == running {
		err := fault.New(fault.Usage, "version %s runs already", running)
		return fault.Hint(err, "galley app deploy brings it back to what its entry says")
	}
	if newerVersion(asked, running) {
		err := fault.New(fault.Usage, "version %s is newer than %s, which runs", asked, running)
		return fault.Hint(err, "galley app upgrade goes forward")
	}
	return nil
}

// newerVersion compares versions; one that is none, such as a work tree's, counts as the
// version that it was made from.
func newerVersion(a, b string) bool {
	x, errX := recipe.ParseVersion(strings.TrimSuffix(a, "+U"))
	y, errY := recipe.ParseVersion(strings.TrimSuffix(b, "+U"))
	return errX == nil && errY == nil && x.Compare(y) > 0
}

// EntryDigest is the catalogue entry that a current stack was deployed from, as its
// label says; "" when there is none.
func (s *Stack) EntryDigest() string {
	for _, name := range sortedKeys(s.Services) {
		if digest := s.Services[name].Spec.Labels[LabelEntry]; digest != "" {
			return digest
		}
	}
	return ""
}

// AutoUpdate tells whether the operator lets a timer upgrade the app:
// ENABLE_AUTO_UPDATE is true, yes or 1.
func (a App) AutoUpdate() bool {
	values, _ := a.Env.Environ(recipe.MapLookup(map[string]string{"STACK_NAME": a.Stack}))
	switch strings.ToLower(strings.TrimSpace(values["ENABLE_AUTO_UPDATE"])) {
	case "true", "yes", "1":
		return true
	}
	return false
}
