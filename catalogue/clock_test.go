package catalogue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// year is by how much the clocks of these tests are wrong.
const year = 365 * 24 * time.Hour

// warned tells whether a sign or refresh warned of the clock.
func warned(s *Signed) bool {
	return strings.Contains(strings.Join(s.Warnings, "\n"), "check this machine's clock")
}

// TestClockOfThePublisherIsAhead signs a year too late: while the root lasts, what
// readers get is right and valid for too long; the next sign puts that right.
func TestClockOfThePublisherIsAhead(t *testing.T) {
	w := published(t)
	w.release()
	_, err := Sign(t.Context(), w.signOptions(start.Add(year+time.Hour)))
	wants(t, err, fault.Refused, "root.json expired")
	if !strings.Contains(fault.HintOf(err), "check this machine's clock") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	ahead := w.sign(start.Add(year - 24*time.Hour))
	if warned(ahead) {
		t.Errorf("nothing tells yet that this clock is wrong: %q", ahead.Warnings)
	}
	right := start.Add(time.Hour)
	state := w.path("operator")
	client, err := w.open(w.path("public"), ClientOptions{StateDir: state, Now: right})
	must(t, err)
	must(t, readAll(t.Context(), client))

	signed := w.sign(right)
	if !warned(signed) {
		t.Errorf("the clock went back by a year without a word: %q", signed.Warnings)
	}
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 3, "snapshot": 3, "timestamp": 3}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	for _, role := range signed.Roles[1:] {
		if role.Expires.After(right.Add(trust.DefaultExpiry.Targets)) {
			t.Errorf("%s is valid until %v still", role.Role, role.Expires)
		}
	}
	client, err = w.open(w.path("public"), ClientOptions{StateDir: state, Now: right})
	must(t, err)
	must(t, readAll(t.Context(), client))
	if signed := w.sign(right.Add(time.Hour)); warned(signed) || signed.SignedBins > 0 {
		t.Errorf("with a right clock: %+v", signed)
	}
}

// TestClockOfThePublisherIsBehind signs a year too early: it warns, versions count
// on, and what readers with a right clock refuse is right again with the next sign.
func TestClockOfThePublisherIsBehind(t *testing.T) {
	w := published(t)
	state := w.path("operator")
	_, err := w.open(w.path("public"), ClientOptions{StateDir: state})
	must(t, err)
	for _, run := range []func(time.Time) *Signed{w.sign, w.refresh} {
		behind := run(start.Add(-year))
		if !warned(behind) {
			t.Errorf("warnings %q", behind.Warnings)
		}
		_, err = w.open(w.path("public"), ClientOptions{StateDir: state})
		wants(t, err, fault.Refused, "timestamp.json expired")
		signed := run(start.Add(time.Hour))
		if warned(signed) {
			t.Errorf("with a right clock: %q", signed.Warnings)
		}
		if was, is := versionsOf(behind)["timestamp"], versionsOf(signed)["timestamp"]; is != was+1 {
			t.Errorf("timestamp %d after %d", is, was)
		}
		client, err := w.open(w.path("public"), ClientOptions{StateDir: state, Now: start.Add(time.Hour)})
		must(t, err)
		must(t, readAll(t.Context(), client))
	}
}

// refresh signs the timestamp alone.
func (w *world) refresh(now time.Time) *Signed {
	w.t.Helper()
	signed, err := Refresh(w.t.Context(), RefreshOptions{Public: w.path("public"), Keys: w.signOptions(now).Keys, Now: now})
	must(w.t, err)
	return signed
}

// TestClockOfAnOperator is wrong by a year: behind, nothing is expired, and
// nothing is said; ahead, everything is, and the hint names the clock.
func TestClockOfAnOperator(t *testing.T) {
	w := published(t)
	for _, known := range []string{"", w.path("known")} {
		if known != "" {
			_, err := w.open(w.path("public"), ClientOptions{StateDir: known})
			must(t, err)
		}
		client, err := w.open(w.path("public"), ClientOptions{StateDir: known, Now: start.Add(-year)})
		must(t, err)
		must(t, readAll(t.Context(), client))
		_, err = w.open(w.path("public"), ClientOptions{StateDir: known, Now: start.Add(year)})
		wants(t, err, fault.Refused, "expired")
		if !strings.Contains(fault.HintOf(err), "check this machine's clock") {
			t.Errorf("hint %q", fault.HintOf(err))
		}
		client, err = w.open(w.path("public"), ClientOptions{StateDir: known})
		must(t, err)
		must(t, readAll(t.Context(), client))
	}
}

// TestClockOfABuild says nothing: no file of a tree has a time of the build.
func TestClockOfABuild(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.build(config(web), w.path("whole"))
	w.again(config(web), func(o *BuildOptions) { o.Now = start.Add(-year) })
	web.write("compose.yml", compose("1.2"))
	web.release("1.2.0+1.2")
	w.again(config(web), func(o *BuildOptions) { o.Now = start.Add(year) })
	w.build(config(web), w.path("whole"))
	sameTree(t, w.path("whole"), w.path("build"))
}
