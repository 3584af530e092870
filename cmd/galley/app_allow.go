package main

import (
	"context"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// allowFlags let through what nobody vouches for, in this one case. What was let
// through stays visible: on the stack, in its status and in its history.
type allowFlags struct {
	AllowUnvetted   bool `help:"Let an entry through that the publisher's lint gate did not vet."`
	AllowWithdrawn  bool `help:"Let a version through that was yanked, or whose tag was removed."`
	AllowUnverified bool `help:"Let everything through that nobody vouches for: not vetted, withdrawn, images that the entry does not name (they are pinned to what their names stand for now), a work tree with errors."`
}

func (f allowFlags) unvetted() bool  { return f.AllowUnvetted || f.AllowUnverified }
func (f allowFlags) withdrawn() bool { return f.AllowWithdrawn || f.AllowUnverified }

// resolve asks registries what images stand for now, nil when that is not allowed.
func (f allowFlags) resolve() deployer.Resolve {
	if !f.AllowUnverified {
		return nil
	}
	return resolveNow
}

// resolveNow resolves without what was learned before: now means now.
func resolveNow(ctx context.Context, reference string) (registry.Image, error) {
	resolver := registry.New(registry.Options{UserAgent: "galley/" + buildVersion()})
	defer resolver.Close()
	return resolver.Resolve(ctx, reference)
}

const notVetted = "not vetted"

// judge refuses what nobody vouches for and was not allowed, and marks what was.
// The plan is made after it: the mark is a label.
func (w *wanted) judge(allow allowFlags) error {
	if w.entry == nil {
		return nil
	}
	if !w.entry.Lint.Vetted && !allow.unvetted() {
		err := fault.New(fault.Refused, "%s %s is not vetted: its publisher has no lint gate", w.app.Recipe, w.entry.Version)
		return fault.Hint(err, "--allow-unvetted deploys it all the same")
	}
	w.letWithdrawn = allow.withdrawn()
	return nil
}

// distrustWithdrawn marks a withdrawn version: one that was let through now, and one
// that stands with that mark. A version that was withdrawn while it runs is told,
// and not marked: it was good when it was deployed.
func (w *wanted) distrustWithdrawn(standing *deployer.Stack) {
	if w.withdrawn == nil {
		return
	}
	reason := "withdrawn (" + oneLine(w.withdrawn.String()) + ")"
	runs := standing.Version() == w.entry.Version
	if w.letWithdrawn && !runs || runs && strings.Contains(standing.Unverified(), reason) {
		w.desired.Distrust(reason)
	}
}
