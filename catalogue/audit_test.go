package catalogue

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/registry"
)

func (w *world) audit(opts AuditOptions) *AuditReport {
	w.t.Helper()
	client, err := w.open(w.path("public"), ClientOptions{})
	must(w.t, err)
	if opts.Resolver == nil {
		opts.Resolver = w.resolver("")
	}
	report, err := Audit(w.t.Context(), client, opts)
	must(w.t, err)
	if _, err := report.JSON(); err != nil {
		w.t.Error(err)
	}
	if report.Unchanged+report.Moved+report.Gone+report.Unknown != report.Pins || report.Unknown != len(report.Failures) {
		w.t.Errorf("counts that do not add up: %+v", report)
	}
	return report
}

// remove takes a tag out of the registry.
func (w *world) remove(repository, tag string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodDelete, "http://"+w.registry.Addr+"/v2/"+repository+"/manifests/"+tag, nil)
	must(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	must(w.t, resp.Body.Close())
	if resp.StatusCode != http.StatusAccepted {
		w.t.Fatalf("DELETE answered %d", resp.StatusCode)
	}
}

func TestAuditUnchanged(t *testing.T) {
	w := published(t)
	w.release()
	w.sign(start)
	asked, last := 0, 0
	report := w.audit(AuditOptions{Progress: func(done, total int) { asked, last = asked+1, total }})
	// web:1.0, 1.1 and 1.2, the database of two versions, and the proxy.
	want := &AuditReport{
		Schema: 1, Catalogue: w.path("public"), Recipes: 2, Versions: 4, References: 5, Pins: 5, Unchanged: 5,
		Drifts: []AuditDrift{}, Failures: []AuditFailure{}, Requests: report.Requests,
	}
	if diff := cmp.Diff(want, report); diff != "" || report.Requests.Heads != 5 || report.Requests.Gets != 0 {
		t.Errorf("%+v\n%s", report.Requests, diff)
	}
	if asked != 5 || last != 5 {
		t.Errorf("progress told %d of %d", asked, last)
	}
}

func TestAuditDrift(t *testing.T) {
	w := published(t)
	w.release()
	w.sign(start)
	before := snapshotOf(t, w.path("public"))
	db := entryIn(t, w.path("public"), "web", "1.1.0+1.1").Image("docker.io/acme/db:11.4").Digest
	proxy := entryIn(t, w.path("public"), "proxy", "0.1.0+v3").Images[0].Digest
	now := w.registry.PushT(t, "acme/db:11.4", localregistry.TinyT(t, "newer", "linux/amd64", "linux/riscv64"))
	w.remove("library/proxy", "v3")
	report := w.audit(AuditOptions{})
	want := []AuditDrift{{
		Reference: "docker.io/acme/db:11.4", State: "moved", Published: db, Now: now, Available: true,
		Added: []string{"linux/riscv64"}, Removed: []string{"linux/arm64"},
		Uses: []AuditUse{{Recipe: "web", Versions: []string{"1.1.0+1.1", "1.2.0+1.2"}}},
	}, {
		Reference: "docker.io/library/proxy:v3", State: "gone", Published: proxy, Available: true, Added: []string{}, Removed: []string{},
		Uses: []AuditUse{{Recipe: "proxy", Versions: []string{"0.1.0+v3"}}},
	}}
	if diff := cmp.Diff(want, report.Drifts); diff != "" || report.Moved != 1 || report.Gone != 1 || report.Unchanged != 3 {
		t.Error(diff)
	}
	w.remove("library/proxy", proxy)
	if report := w.audit(AuditOptions{Names: []string{"proxy"}}); len(report.Drifts) != 1 || report.Drifts[0].Available {
		t.Errorf("%+v", report.Drifts)
	}
	if diff := cmp.Diff(before, snapshotOf(t, w.path("public"))); diff != "" {
		t.Error(diff)
	}
	first, err := w.audit(AuditOptions{}).JSON()
	must(t, err)
	again, err := w.audit(AuditOptions{}).JSON()
	must(t, err)
	if diff := cmp.Diff(string(first), string(again)); diff != "" {
		t.Errorf("two answers: %s", diff)
	}
}

func TestAuditChoice(t *testing.T) {
	w := published(t)
	must(t, Yank(w.path(YankedName), "web@1.0.0+1.0", "loses mails"))
	yanks, err := LoadYanks(w.path(YankedName))
	must(t, err)
	w.again(config(w.web, w.proxy), func(o *BuildOptions) { o.Yanked = yanks })
	w.sign(start)
	for _, test := range []struct {
		names          []string
		all            bool
		recipes, found int
	}{
		{nil, false, 2, 2},
		{nil, true, 2, 3},
		{[]string{"web"}, false, 1, 1},
		{[]string{"web"}, true, 1, 2},
		{[]string{"web@1.0.0+1.0", "web@1.0.0+1.0"}, false, 1, 1},
		{[]string{"web", "web@1.0.0+1.0", "proxy"}, false, 2, 3},
	} {
		if r := w.audit(AuditOptions{Names: test.names, All: test.all}); r.Recipes != test.recipes || r.Versions != test.found {
			t.Errorf("%q: %d versions of %d recipes, expected %d of %d", test.names, r.Versions, r.Recipes, test.found, test.recipes)
		}
	}
	client, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	for name, kind := range map[string]fault.Kind{"wep": fault.Unavailable, "web@9.9.9+9": fault.Unavailable, "web@": fault.Usage, "../web": fault.Usage} {
		if _, err := Audit(t.Context(), client, AuditOptions{Resolver: w.resolver(""), Names: []string{name}}); fault.KindOf(err) != kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAuditOfWhatCannotBeAsked(t *testing.T) {
	w := published(t)
	bounded := registry.New(registry.Options{
		Rewrites: map[string]string{"docker.io": w.registry.Addr}, Insecure: []string{w.registry.Addr}, MaxRequests: 4, PerHost: 1,
	})
	t.Cleanup(bounded.Close)
	report := w.audit(AuditOptions{Resolver: bounded})
	if report.OverBudget() != report.Unknown || report.Unknown < 1 || report.Unchanged < 1 || report.Requests.All() > 4 {
		t.Errorf("%+v", report)
	}
	w.registry.Close()
	report = w.audit(AuditOptions{})
	if report.Unknown != 4 || len(report.Drifts) != 0 || report.Failures[0].Kind != "unreachable" || len(report.Failures[0].Uses) != 1 {
		t.Errorf("%+v", report)
	}
	client, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Audit(cancelled, client, AuditOptions{Resolver: w.resolver("")}); fault.KindOf(err) == fault.No || err == nil {
		t.Errorf("cancelled: %v", err)
	}
	name := filepath.Join(w.path("reports"), "audit.json")
	must(t, report.Write(name))
	var read AuditReport
	data := snapshotOf(t, w.path("reports"))["audit.json"]
	must(t, json.Unmarshal([]byte(data), &read))
	if diff := cmp.Diff(report, &read); diff != "" {
		t.Error(diff)
	}
}

func TestAuditSchemaRefuses(t *testing.T) {
	w := published(t)
	for name, change := range map[string]func(*AuditReport){
		"a digest": func(r *AuditReport) {
			r.Failures = []AuditFailure{{Reference: "x", Published: "y", Reason: "z", Uses: []AuditUse{{"web", []string{"1"}}}}}
		},
		"a state":   func(r *AuditReport) { r.Drifts = []AuditDrift{{Reference: "x", State: "changed"}} },
		"no list":   func(r *AuditReport) { r.Drifts = nil },
		"no schema": func(r *AuditReport) { r.Schema = 0 },
	} {
		report := w.audit(AuditOptions{})
		change(report)
		if _, err := report.JSON(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
