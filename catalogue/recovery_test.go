package catalogue

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// TestRecoveryOfOperators is the drill of docs/keys.md with what an operator
// keeps: a thief of the timestamp's key runs ahead; the root takes the key away.
func TestRecoveryOfOperators(t *testing.T) {
	w := published(t)
	box := KeyOptions{Keys: w.signOptions(start).Keys, Root: w.signOptions(start).Root, Now: start}
	open := func(location string, opts ClientOptions) (*Client, error) {
		opts.StateDir, opts.Now = w.path("operator"), start.Add(time.Hour)
		return w.open(location, opts)
	}
	// One address for both: the thief has the name of the publisher's host.
	site := w.path("site")
	show := func(dir string) {
		must(t, os.RemoveAll(site))
		copyTree(t, dir, site)
	}
	copyTree(t, w.path("public"), w.path("stolen"))
	must(t, os.Mkdir(w.path("thief"), 0o700))
	stolen, err := os.ReadFile(filepath.Join(box.Keys, "timestamp.pem"))
	must(t, err)
	must(t, os.WriteFile(w.path("thief/timestamp.pem"), stolen, 0o600))
	for range 20 {
		_, err := Refresh(t.Context(), RefreshOptions{Public: w.path("stolen"), Keys: w.path("thief"), Now: start})
		must(t, err)
	}
	show(w.path("stolen"))
	c, err := open(site, ClientOptions{})
	must(t, err)
	ahead := c.Info()
	if ahead.Timestamp.Version != 21 {
		t.Fatalf("the attack of this test is none: timestamp %d", ahead.Timestamp.Version)
	}
	w.sign(start.Add(time.Hour))
	show(w.path("public"))
	_, err = open(site, ClientOptions{})
	wants(t, err, fault.Refused, "older than seen: version 2 < 21")

	for _, role := range []trust.Role{trust.Timestamp, trust.Snapshot} {
		_, err = RotateKey(box, Rotation{Role: role})
		must(t, err)
	}
	p, err := SignProposal(box)
	must(t, err)
	if !p.Installed {
		t.Fatalf("proposal %+v", p)
	}
	w.sign(start.Add(time.Hour))
	show(w.path("public"))
	c, err = open(site, ClientOptions{})
	must(t, err)
	must(t, readAll(t.Context(), c))
	info := c.Info()
	if info.Root.Version != 2 || info.Timestamp.Version != 3 || info.Fingerprint != ahead.Fingerprint {
		t.Errorf("after the recovery: %+v", info)
	}
	if info.Timestamp.Signers == ahead.Timestamp.Signers || info.Snapshot.Signers == ahead.Snapshot.Signers || info.Targets.Signers != ahead.Targets.Signers {
		t.Error("an operator's swarm would hold the thief's version against the publisher")
	}
	// An operator who pins the new root in place of the old one.
	must(t, os.RemoveAll(w.path("operator")))
	show(w.path("stolen"))
	_, err = open(site, ClientOptions{})
	must(t, err)
	show(w.path("public"))
	newest, err := os.ReadFile(box.Root)
	must(t, err)
	_, err = open(site, ClientOptions{Root: newest})
	must(t, err)
}

// TestExpiredRootOfOperators renews a root that is over: an operator goes on from
// the expired one, with nothing to do by hand.
func TestExpiredRootOfOperators(t *testing.T) {
	w := published(t)
	late := start.AddDate(1, 0, 3)
	box := KeyOptions{Keys: w.signOptions(start).Keys, Root: w.signOptions(start).Root, Now: late}
	_, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("operator")})
	must(t, err)
	_, err = w.open(w.path("public"), ClientOptions{StateDir: w.path("operator"), Now: late})
	wants(t, err, fault.Refused, "1.root.json expired 3 days ago")
	_, err = Sign(t.Context(), w.signOptions(late))
	wants(t, err, fault.Refused, "root.json expired 3 days ago")
	p, err := RenewRoot(box)
	must(t, err)
	if len(p.Changes) > 0 || !p.Expires.Equal(late.Add(trust.DefaultExpiry.Root)) {
		t.Errorf("renewing changes %+v, expires %v", p.Changes, p.Expires)
	}
	_, err = SignProposal(box)
	must(t, err)
	w.sign(late)
	c, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("operator"), Now: late})
	must(t, err)
	must(t, readAll(t.Context(), c))
}
