package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

// smallDisk is a folder on a disk of its own that has room for megabytes.
type smallDisk struct {
	t   testing.TB
	dir string
}

func newSmallDisk(t testing.TB, megabytes int) smallDisk {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(dir, 0o755))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "galley-test", dir).CombinedOutput()
	if err != nil {
		lacks(t, fmt.Sprintf("mounting a small disk needs root: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return smallDisk{t, dir}
}

func (d smallDisk) path(name string) string { return filepath.Join(d.dir, name) }

// leave fills the disk but for some kilobytes.
func (d smallDisk) leave(kilobytes int64) {
	d.t.Helper()
	f, err := os.Create(d.path("ballast"))
	must(d.t, err)
	defer f.Close()
	block := make([]byte, 4096)
	for size := int64(0); ; size += int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			must(d.t, f.Truncate(max(0, size-kilobytes<<10)))
			return
		}
	}
}

func (d smallDisk) makeRoom() { must(d.t, os.Remove(d.path("ballast"))) }

// untilItFits runs with more and more room, wants the error of a full disk each
// time, and then none. between is what must hold after each failure.
func (d smallDisk) untilItFits(run func() error, between func()) {
	d.t.Helper()
	failed := 0
	for room := int64(0); ; room += 8 {
		d.leave(room)
		err := run()
		if err == nil {
			break
		}
		failed++
		wants(d.t, err, fault.Unavailable, "no space left on device")
		if strings.Count(err.Error(), "no space left on device") > 1 {
			d.t.Errorf("it is said twice: %v", err)
		}
		between()
	}
	if failed == 0 {
		d.t.Error("no run met the full disk")
	}
	d.makeRoom()
}

// noScratch fails when a run left what it was writing.
func noScratch(t testing.TB, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && (e.Name() == disk.Scratch || strings.HasPrefix(e.Name(), ".new-") || strings.HasSuffix(e.Name(), ".partial")) {
			t.Errorf("%s is there", name)
		}
		return err
	}))
}

func TestDiskFullBuild(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	cfg := config(web, proxy)
	w.build(cfg, w.path("whole"))
	d := newSmallDisk(t, 1)
	out := d.path("build")
	resolver := w.resolver("")
	d.untilItFits(func() error {
		_, err := Build(t.Context(), cfg, BuildOptions{Output: out, Resolver: resolver, Rules: []lint.Rule{refuseRule, warnRule}, Now: start})
		return err
	}, func() {})
	sameTree(t, w.path("whole"), out)
	noScratch(t, out)
}

// TestDiskFullCaches is about what a build does without: where it keeps what it
// learned there is no room. Only a source that needs its mirror there is reported.
func TestDiskFullCaches(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	cfg := config(web, proxy)
	w.build(cfg, w.path("whole"))
	d := newSmallDisk(t, 1)
	build := func(cfg Config, output string) *Report {
		report, err := Build(t.Context(), cfg, BuildOptions{
			Output: output, Resolver: w.resolver(d.path("registry")), Rules: []lint.Rule{refuseRule, warnRule}, CacheDir: d.path("cache"), Now: start,
		})
		must(t, err)
		return report
	}
	for _, room := range []int64{0, 4, 12, 24} {
		d.leave(room)
		out := w.path(fmt.Sprint("local-", room))
		build(cfg, out)
		sameTree(t, w.path("whole"), out)
	}
	cfg.Sources[0] = over(t, web).Sources[0]
	for _, room := range []int64{0, 4, 12} {
		d.leave(room)
		report := build(cfg, w.path("build"))
		if got := sourceReport(t, report, "web").Error; !strings.Contains(got, "no space left on device") || strings.Contains(got, "\n") {
			t.Errorf("%d KB left: the source's error is %q", room, got)
		}
		if got := sourceReport(t, report, "proxy"); got.Error != "" || len(got.Published) != 1 {
			t.Errorf("another source: %+v", got)
		}
	}
	d.makeRoom()
	if report := build(cfg, w.path("build")); report.Versions != 3 || len(report.Failed()) > 0 {
		t.Errorf("with room: %+v", report)
	}
	must(t, os.Remove(filepath.Join(d.path("cache"), disk.Scratch))) // empty
	noScratch(t, d.dir)
}

func TestDiskFullSign(t *testing.T) {
	w := published(t)
	d := newSmallDisk(t, 1)
	public := d.path("public")
	copyTree(t, w.path("public"), public)
	w.release()
	now := start.Add(time.Hour)
	options := w.signOptions(now)
	options.Public = public
	state := w.path("operator")
	reads := func() {
		t.Helper()
		if v := w.verify(public, now); len(v.Problems) > 0 {
			t.Fatal(problems(v))
		}
		client, err := Open(t.Context(), public, ClientOptions{StateDir: state, Now: now})
		must(t, err)
		defer client.Close()
		must(t, readAll(t.Context(), client))
	}
	d.untilItFits(func() error {
		_, err := Sign(t.Context(), options)
		return err
	}, reads)
	reads()
	if v := w.verify(public, now); v.Versions != 4 || len(v.Stale) > 0 {
		t.Errorf("%d versions, stale %q", v.Versions, v.Stale)
	}
	noScratch(t, public)
	d.untilItFits(func() error {
		_, err := Refresh(t.Context(), RefreshOptions{Public: public, Keys: options.Keys, Now: now})
		return err
	}, reads)
	noScratch(t, public)
}

func TestDiskFullPublish(t *testing.T) {
	c := newChanging(t)
	c.next()
	d := newSmallDisk(t, 1)
	target := d.path("www")
	c.publish(target)
	c.next()
	d.untilItFits(func() error {
		_, err := Publish(t.Context(), c.publishOptions(target))
		return err
	}, func() { c.whole(t, target) })
	if seen := c.whole(t, target); seen != c.version() {
		t.Errorf("version %d is seen, expected %d", seen, c.version())
	}
	noScratch(t, target)
}

func TestDiskFullClient(t *testing.T) {
	w := published(t)
	d := newSmallDisk(t, 1)
	state, older := d.path("trust"), w.path("older")
	copyTree(t, w.path("public"), older)
	site := w.path("site")
	now := start
	open := func() error {
		client, err := Open(t.Context(), site, ClientOptions{StateDir: state, Now: now})
		if err == nil {
			err = errors.Join(readAll(t.Context(), client), client.Close())
		}
		return err
	}
	copyTree(t, older, site)
	d.untilItFits(open, func() {})
	noScratch(t, state)
	w.release()
	now = start.Add(time.Hour)
	w.sign(now)
	must(t, os.RemoveAll(site))
	copyTree(t, w.path("public"), site)
	d.untilItFits(open, func() {})
	must(t, os.RemoveAll(site))
	copyTree(t, older, site)
	wants(t, open(), fault.Refused, "older than seen")
}
