package backup

import (
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer/backup/restic"
	"github.com/galley-coop/galley/internal/fault"
)

// whole is a manifest with two parts.
func whole() *Manifest {
	m := newManifest("app.example.org", testTime)
	m.Parts = []Part{
		{Kind: KindVolume, Name: "data", Snapshot: "0a1b2c3d", File: "/app.example.org/volume-data.tar", Bytes: 10240, SHA256: strings.Repeat("ab", 32)},
		{Kind: KindEnv, Name: "app.example.org.env", Snapshot: "11111111", File: "/app.example.org/env", Bytes: 7, SHA256: strings.Repeat("cd", 32)},
	}
	return m
}

func TestManifestIsCheckedOnReading(t *testing.T) {
	good, err := whole().encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decodeManifest(good); err != nil || m.Bytes() != 10247 || m.Parts[0].Paths == nil {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, change := range map[string][2]string{
		"cut off":         {string(good[len(good)/2:]), ""},
		"no run":          {`"run": "2026`, `"run": "../26`},
		"negative":        {`"bytes": 7,`, `"bytes": -7,`},
		"digest":          {strings.Repeat("cd", 32), "cd"},
		"kind":            {`"kind": "env"`, `"kind": "manifest"`},
		"relative":        {`"file": "/app`, `"file": "app`},
		"missing":         {`"parts"`, `"party"`},
		"type":            {`"files": 0`, `"files": "0"`},
		"letters behind":  {"\n}", ",\"PARTS\": [{\"kind\": \"x\"}]\n}"},
		"behind":          {"\n}", "\n}{}"},
		"domain of paths": {`"domain": "app.`, `"domain": "../app.`},
	} {
		if m, err := decodeManifest([]byte(strings.ReplaceAll(string(good), change[0], change[1]))); err == nil {
			t.Errorf("%s is read as %+v", name, m)
		}
	}
	newer := strings.Replace(string(good), `"format": 1`, `"format": 2, "what": "is new"`, 1)
	if _, err := decodeManifest([]byte(newer)); err == nil || !strings.Contains(fault.HintOf(err), "newer galley") {
		t.Errorf("a later format: %v", err)
	}
	if _, err := decodeManifest([]byte(strings.Repeat(" ", manifestLimit) + string(good))); err == nil {
		t.Error("a manifest of more than 16 MiB is read")
	}
	bad := whole()
	bad.Parts[0].SHA256 = ""
	if _, err := bad.encode(); err == nil {
		t.Error("a manifest that would not be read is written")
	}
}

// snapshotsOf are a run's, as restic lists them.
func snapshotsOf(m *Manifest, manifest bool) (all []restic.Snapshot) {
	for _, p := range m.Parts {
		all = append(all, restic.Snapshot{
			ID: p.Snapshot + strings.Repeat("0", 64-len(p.Snapshot)), Host: m.Server, Paths: []string{p.File}, Tags: partTags(m.Domain, m.Run, p.Kind),
		})
	}
	if manifest {
		all = append(all, restic.Snapshot{ID: strings.Repeat("f", 64), Host: m.Server, Paths: []string{"/" + m.Domain + "/manifest.json"}, Tags: manifestTags(m)})
	}
	return all
}

func TestRunsOfSnapshots(t *testing.T) {
	m := whole()
	all := snapshotsOf(m, true)
	for name, test := range map[string]struct {
		snapshots []restic.Snapshot
		runs      int
		complete  bool
	}{
		"whole":                  {all, 1, true},
		"without the manifest":   {all[:2], 1, false},
		"a part is gone":         {all[1:], 1, false},
		"a part was tried twice": {append(snapshotsOf(m, false), all...), 1, true},
		"somebody else's":        {[]restic.Snapshot{{ID: "1", Tags: []string{"galley"}}, {ID: "2"}, {ID: "3", Tags: []string{"galley", "app:a", "run:../.."}}}, 0, false},
	} {
		runs := group(test.snapshots)
		if len(runs) != test.runs || test.runs > 0 && runs[0].Complete != test.complete {
			t.Errorf("%s: %+v", name, runs)
		}
	}
}

func TestManifestIsOfItsRun(t *testing.T) {
	m := whole()
	run := group(snapshotsOf(m, true))[0]
	if err := run.holds(m); err != nil || len(m.Parts[0].Snapshot) != 64 {
		t.Fatalf("%v; the first snapshot is %q", err, m.Parts[0].Snapshot)
	}
	for name, change := range map[string]func(*Manifest){
		"run":          func(m *Manifest) { m.Run = NewRunID(testTime.Add(time.Second)) },
		"domain":       func(m *Manifest) { m.Domain = "b.example.org" },
		"snapshot":     func(m *Manifest) { m.Parts[0].Snapshot = "22222222" },
		"other kind":   func(m *Manifest) { m.Parts[0].Kind = KindPath },
		"other file":   func(m *Manifest) { m.Parts[1].File = "/app.example.org/other" },
		"other part's": func(m *Manifest) { m.Parts[0].Snapshot = m.Parts[1].Snapshot },
	} {
		m := whole()
		m.Run = run.ID
		change(m)
		if run.holds(m) == nil {
			t.Errorf("another %s is taken", name)
		}
	}
}

func TestPickRun(t *testing.T) {
	runs := []Run{{ID: "20260103T000000Z-aaaa"}, {ID: "20260102T000000Z-bbbb", Complete: true}, {ID: "20260102T000000Z-cccc", Complete: true}, {ID: "20260101T000000Z-dddd"}}
	for which, want := range map[string]string{
		"": runs[1].ID, Latest: runs[1].ID, "20260103": runs[0].ID, runs[2].ID: runs[2].ID, "20260101T": runs[3].ID,
		"20260102": "", "2025": "", "x": "",
	} {
		run, err := pick(runs, "a", which)
		if run.ID != want || (err != nil) != (want == "") || err != nil && fault.HintOf(err) == "" {
			t.Errorf("%q picks %q, %v", which, run.ID, err)
		}
	}
	if _, err := pick(runs[:1], "a", ""); err == nil {
		t.Error("an incomplete run is the latest")
	}
}

// FuzzManifest: whatever a repository has for a manifest, it is refused or can be
// written again.
func FuzzManifest(f *testing.F) {
	good, err := whole().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format": 1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeManifest(data)
		if err != nil {
			return
		}
		if _, err := m.encode(); err != nil {
			t.Errorf("%q cannot be written again: %v", data, err)
		}
	})
}
