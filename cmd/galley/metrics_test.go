package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer"
)

// exposed is one line of Prometheus' text format, as it is described: a comment of
// a metric, or a sample.
var exposed = regexp.MustCompile(`^(# HELP [a-z_]+ .+|# TYPE [a-z_]+ gauge|[a-z_]+(\{[a-z_]+="([^"\\\n]|\\[\\n"])*"(,[a-z_]+="([^"\\\n]|\\[\\n"])*")*\})? -?[0-9.]+)$`)

func TestMetrics(t *testing.T) {
	m := &metrics{}
	m.set("galley_a", "first", 1.5, label{"x", "a\"b\\c\nd\xff"})
	m.flag("galley_b", "second", true)
	m.moment("galley_c", "none", time.Time{})
	m.flag("galley_a", "first", false, label{"x", "other"}, label{"y", "1"})
	want := "# HELP galley_a first\n# TYPE galley_a gauge\ngalley_a{x=\"a\\\"b\\\\c\\nd\ufffd\"} 1.5\ngalley_a{x=\"other\",y=\"1\"} 0\n" +
		"# HELP galley_b second\n# TYPE galley_b gauge\ngalley_b 1\n"
	if got := m.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestMetricNames holds the names that alerts hang on, and that a status and a
// verification can stand in one folder: a collector refuses a metric of two files.
func TestMetricNames(t *testing.T) {
	state := deployer.AppState{Domain: "web.example.org", Server: "prod1", State: deployer.StateDegraded, Drift: deployer.DriftYes, Status: deployer.Status{
		Recipe: "web", Version: "1.0.0+1", Services: []deployer.ServiceStatus{{Running: 1, Wanted: 1}, {Running: 0, Wanted: 2}},
		Last: &deployer.Record{When: time.Unix(1700000000, 0), Verdict: deployer.Failed},
	}, Running: 1, Wanted: 3, Upgrade: "1.1.0+1"}
	down := deployer.AppState{Domain: "gone.example.org", Server: "prod2", State: deployer.StateUnreachable}
	status := statusMetrics([]deployer.AppState{state, down}, []*deployer.ServerState{{Name: "prod1", Up: true}, {Name: "prod2"}}).String()
	for _, want := range []string{
		`galley_server_up{server="prod1"} 1`, `galley_server_up{server="prod2"} 0`,
		`galley_app_up{domain="web.example.org",server="prod1"} 0`,
		`galley_app_services_running{domain="web.example.org",server="prod1"} 1`,
		`galley_app_services_wanted{domain="web.example.org",server="prod1"} 2`,
		`galley_app_tasks_wanted{domain="web.example.org",server="prod1"} 3`,
		`galley_app_drift{domain="web.example.org",server="prod1"} 1`,
		`galley_app_upgrade_available{domain="web.example.org",server="prod1"} 1`,
		`galley_app_unverified{domain="web.example.org",server="prod1"} 0`,
		`galley_app_last_deploy_timestamp_seconds{domain="web.example.org",server="prod1"} 1700000000`,
		`galley_app_last_deploy_ok{domain="web.example.org",server="prod1"} 0`,
		`galley_app_info{domain="web.example.org",server="prod1",recipe="web",version="1.0.0+1",upgrade="1.1.0+1"} 1`,
	} {
		if !strings.Contains(status, "\n"+want+"\n") {
			t.Errorf("there is no %s in\n%s", want, status)
		}
	}
	if strings.Contains(status, "gone.example.org") {
		t.Errorf("what nobody knows is measured:\n%s", status)
	}
	verified := deployer.Verification{Domain: "web.example.org", Server: "prod1", Answer: deployer.Differs, Observed: deployer.Observed{Problems: []string{"a", "b"}, Containers: 3}}
	verify := verifyMetrics([]deployer.Verification{verified}, map[string]time.Time{"https://example.org/c": time.Unix(1800000000, 0)}).String()
	for _, want := range []string{
		`galley_app_verified{domain="web.example.org",server="prod1"} 0`, `galley_app_verify_problems{domain="web.example.org",server="prod1"} 2`,
		`galley_catalogue_expiry_timestamp_seconds{catalogue="https://example.org/c"} 1800000000`,
	} {
		if !strings.Contains(verify, "\n"+want+"\n") {
			t.Errorf("there is no %s in\n%s", want, verify)
		}
	}
	for line := range strings.Lines(status + verify) {
		line = strings.TrimSuffix(line, "\n")
		if !exposed.MatchString(line) {
			t.Errorf("%q is no line of the format", line)
		}
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok && strings.Count(status+verify, "# TYPE "+name) != 1 {
			t.Errorf("%q is told twice", name)
		}
	}
}

func TestMetricsFileIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "galley.prom")
	if err := os.WriteFile(name, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	m := &metrics{}
	m.flag("galley_a", "first", true)
	if err := m.write(name); err != nil {
		t.Fatal(err)
	}
	reader := make([]byte, 10)
	if n, _ := old.Read(reader); string(reader[:n]) != "old\n" {
		t.Errorf("a reader of the old file has %q", reader[:n])
	}
	got, err := os.ReadFile(name)
	info, _ := os.Stat(name)
	files, _ := os.ReadDir(dir)
	if err != nil || string(got) != m.String() || info.Mode().Perm() != 0o644 || len(files) != 1 {
		t.Errorf("%q, mode %o, %d files (%v)", got, info.Mode().Perm(), len(files), err)
	}
}
