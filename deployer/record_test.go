package deployer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

func TestRecordNames(t *testing.T) {
	if got := recordName(recordLock, "web_example_org", ""); got != "galley_lock_web_example_org" {
		t.Errorf("lock: %q", got)
	}
	if got := recordName(recordHistory, "web_example_org", "12_ABCDEF"); got != "galley_history_web_example_org_12_ABCDEF" {
		t.Errorf("history: %q", got)
	}
	long := strings.Repeat("a", maxSwarmName)
	if got, want := recordName(recordLock, long, ""), "galley_lock_"+long[:35]+"_"; !strings.HasPrefix(got, want) || len(got) != maxSwarmName {
		t.Errorf("long: %q, want %q and a hash", got, want)
	}
	seen := map[string]bool{}
	for _, name := range []string{
		recordName(recordLock, long, ""), recordName(recordLock, long+"b", ""), recordName(recordJournal, long, ""),
		recordName(recordHistory, long, "1_A"), recordName(recordHistory, long, "1_B"),
	} {
		if len(name) > maxSwarmName {
			t.Errorf("%q has %d characters", name, len(name))
		}
		if seen[name] {
			t.Errorf("%q is the name of two records", name)
		}
		seen[name] = true
	}
}

func TestJournalKeepsSpecs(t *testing.T) {
	current := &Stack{
		Name:     "web",
		Services: map[string]Service{"web_app": {Spec: sentSpec()}},
		Networks: map[string]Network{"web_b": {}, "web_a": {}, "proxy": {External: true}},
		Configs:  map[string]Config{"web_conf_v1": {}, "other": {External: true}},
	}
	j := newJournal(current, &Plan{Recipe: "wordpress", From: "1.0.0+1", To: "2.0.0+2"}, []string{"web_app"})
	data, err := packJournal(j)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackJournal(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(asJSON(t, j), asJSON(t, got)) {
		t.Errorf("it was\n%s\nand came back as\n%s", asJSON(t, j), asJSON(t, got))
	}
	if !sameSpec(got.Services["web_app"], sentSpec()) {
		t.Error("the spec is not the one that stood")
	}
	if a, b := strings.Join(got.Networks, " "), strings.Join(got.Configs, " "); a != "web_a web_b" || b != "web_conf_v1" {
		t.Errorf("networks %q, configs %q: only the stack's own, sorted", a, b)
	}
}

func TestJournalThatDoesNotFit(t *testing.T) {
	noise := make([]byte, 2*maxJournal)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(noise)
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Labels: map[string]string{"noise": strconv.Quote(string(noise))}}}
	if _, err := packJournal(&Journal{Services: map[string]swarm.ServiceSpec{"web_app": spec}}); err == nil {
		t.Error("a journal was made that no config holds")
	}
}

func TestJournalThatIsNone(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("not JSON"))
	_ = w.Close()
	for name, data := range map[string][]byte{"empty": nil, "no gzip": []byte("hello"), "no JSON": packed.Bytes()} {
		if _, err := unpackJournal(data); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}

func TestSamePlan(t *testing.T) {
	plan := func(new string) *Plan {
		return &Plan{Stack: "web", Changes: []Change{{Kind: "service", Name: "web_app", Action: Update, Fields: []Field{{Path: "Labels[a]", Old: "1", New: new}}}}}
	}
	other := plan("2")
	other.Warnings = []string{"a warning changes nothing"}
	if !samePlan(plan("2"), other) {
		t.Error("two equal plans differ")
	}
	if samePlan(plan("2"), plan("3")) {
		t.Error("two plans that differ in a field are the same")
	}
}

func TestVouched(t *testing.T) {
	image := catalogue.Image{Digest: "sha256:index", Platforms: []catalogue.Platform{
		{Platform: "linux/amd64", Manifest: "sha256:manifest", Config: "sha256:config"},
		{Platform: "linux/arm64", Manifest: "sha256:manifest2", Config: "sha256:config2"},
	}}
	for id, want := range map[string]bool{
		"sha256:config": true, "sha256:config2": true, "sha256:manifest": true, "sha256:index": true,
		"sha256:other": false, "": false, "config": false,
	} {
		if got := vouched(image, id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
	if vouched(catalogue.Image{Digest: "sha256:index", Platforms: []catalogue.Platform{{}}}, "") {
		t.Error("an entry without config digests vouches for an image without an ID")
	}
}

func TestOutcomeKind(t *testing.T) {
	for _, c := range []struct {
		verdict Verdict
		state   StateAfter
		kind    fault.Kind
		good    bool
	}{
		{Converged, StateNew, 0, true},
		{Failed, StatePrevious, fault.PutBack, false},
		{RolledBack, StatePrevious, fault.PutBack, false},
		{TimedOut, StatePrevious, fault.PutBack, false},
		{Stopped, StatePrevious, fault.PutBack, false},
		{Unverified, StatePrevious, fault.PutBack, false},
		{Failed, StateMixed, fault.Left, false},
		{Failed, StateUnknown, fault.Left, false},
		{Converged, StateMixed, fault.Left, false},
		{Unverified, StateNew, fault.Left, false},
		{"", "", fault.Left, false},
	} {
		if kind, good := (Outcome{Verdict: c.verdict, State: c.state}).Kind(); kind != c.kind || good != c.good {
			t.Errorf("%s, %s: %v %v, want %v %v", c.verdict, c.state, kind, good, c.kind, c.good)
		}
	}
}

func TestStateAfterAPutBack(t *testing.T) {
	aborted, abort := context.WithCancel(t.Context())
	abort()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want StateAfter
	}{
		{"back", t.Context(), nil, StatePrevious},
		{"swarm said no", t.Context(), errors.New("service is not as it was"), StateMixed},
		{"not waited for", t.Context(), errNotAwaited, StateUnknown},
		{"lock lost", t.Context(), errLockLost, StateUnknown},
		{"no answer", t.Context(), context.DeadlineExceeded, StateUnknown},
		{"aborted", aborted, errors.New("context canceled"), StateUnknown},
	} {
		if got := stateAfter(c.ctx, c.err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestBelongs(t *testing.T) {
	for name, want := range map[string]bool{"web_db_v1": true, "web_": true, "web": false, "webs_db": false, "other_web_db": false} {
		if got := belongs(name, "web"); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestRecordsAreSmall(t *testing.T) {
	r := Record{By: strings.Repeat("b", 100), Recipe: strings.Repeat("r", 64), From: strings.Repeat("f", 100), To: strings.Repeat("t", 100), Reason: clip(strings.Repeat("ü\"", 4000), 1000)}
	data, err := json.Marshal(r)
	if err != nil || len(data) > 4096 {
		t.Errorf("%d bytes (%v), want at most 4096", len(data), err)
	}
}
