package engine

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tail := " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 20 0 99 5000 6000"
	for _, tt := range []struct {
		name, text string
		want       stat
		fails      bool
	}{
		{name: "plain", text: "7 (dockerd) S 3" + tail, want: stat{7, "dockerd", "S", 3, 99}},
		{name: "parentheses and spaces in the name", text: "7 (a) R 1 (b) Z 3" + tail, want: stat{7, "a) R 1 (b", "Z", 3, 99}},
		{name: "no name", text: "7 dockerd S 3" + tail, fails: true},
		{name: "cut short", text: "7 (dockerd) S 3 0 0", fails: true},
		{name: "no number", text: "x (dockerd) S 3" + tail, fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.text)
			if (err != nil) != tt.fails || got != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("7 (dockerd) S 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 20 0 99 5000 6000")
	f.Add("default via 192.0.2.1 dev eth0\nlocal 127.0.0.0/8 dev lo")
	f.Add("36 35 98:0 / /mnt\\0401 rw - ext3 /dev/root rw")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStat(text); err == nil && !strings.Contains(text, "("+s.comm+")") {
			t.Errorf("the command's name is %q", s.comm)
		}
		for _, p := range parseRoutes(text) {
			if !p.IsValid() || p.Bits() < 8 {
				t.Errorf("route %v", p)
			}
		}
		for _, m := range parseMounts(text) {
			if m.point == "" || m.fstype == "" {
				t.Errorf("mount %+v", m)
			}
		}
	})
}

func TestProcessAlive(t *testing.T) {
	self, err := processOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.alive() {
		t.Error("this process counts as dead")
	}
	if recycled := (process{PID: self.PID, Start: self.Start - 1}); recycled.alive() {
		t.Error("a process with this id and another start counts as alive")
	}
	if (process{}).alive() {
		t.Error("no process counts as alive")
	}
}

func TestDescends(t *testing.T) {
	all := map[int]stat{1: {ppid: 0}, 5: {ppid: 1}, 6: {ppid: 5}, 7: {ppid: 8}, 8: {ppid: 7}}
	for _, tt := range []struct {
		pid, root int
		want      bool
	}{{6, 5, true}, {5, 5, true}, {5, 6, false}, {7, 5, false}, {9, 5, false}} {
		if got := descends(all, tt.pid, tt.root); got != tt.want {
			t.Errorf("descends(%d, %d) = %v", tt.pid, tt.root, got)
		}
	}
}

func TestParseRoutes(t *testing.T) {
	got := parseRoutes(`default via 192.0.2.1 dev eth0
0.0.0.0/1 via 10.8.0.1 dev tun0
10.213.4.0/30 dev galley0 proto kernel scope link src 10.213.4.1
local 192.0.2.2 dev eth0 table local proto kernel scope host src 192.0.2.2
unreachable 172.16.0.0/12
`)
	want := []netip.Prefix{
		netip.MustParsePrefix("10.213.4.0/30"), netip.MustParsePrefix("192.0.2.2/32"), netip.MustParsePrefix("172.16.0.0/12"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !overlaps(got, netip.MustParsePrefix("172.29.213.0/30")) || overlaps(got, netip.MustParsePrefix("10.213.4.4/30")) {
		t.Error("overlaps is wrong about its own routes")
	}
}

func TestPickSubnet(t *testing.T) {
	for _, tt := range []struct {
		pool       string
		n          uint32
		host, node string
	}{
		{"10.213.0.0/16", 0, "10.213.0.1", "10.213.0.2"},
		{"10.213.0.0/16", 16383, "10.213.255.253", "10.213.255.254"},
		{"10.213.0.0/16", 16384, "10.213.0.1", "10.213.0.2"},
		{"172.29.213.0/24", 64 + 3, "172.29.213.13", "172.29.213.14"},
	} {
		pool := netip.MustParsePrefix(tt.pool)
		s := pickSubnet(pool, tt.n)
		if s.host.String() != tt.host || s.node.String() != tt.node || !pool.Contains(s.node) || !s.prefix.Contains(s.host) {
			t.Errorf("pickSubnet(%s, %d) = %+v", tt.pool, tt.n, s)
		}
	}
}

func TestParseMounts(t *testing.T) {
	got := parseMounts("1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n2 1 0:4 / /tmp/a\\040b rw - nsfs nsfs rw\nbroken line\n")
	want := []mountPoint{{"/", "ext4"}, {"/tmp/a b", "nsfs"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReadRecord(t *testing.T) {
	dir := t.TempDir()
	good, err := newRecord("0123abcd", dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := good.write(); err != nil {
		t.Fatal(err)
	}
	if got, err := readRecord(dir); err != nil || got != good {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := readRecord(t.TempDir()); !errors.Is(err, errNoRecord) {
		t.Errorf("an empty directory: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another directory": {dir, "/"},
		"another link":      {`"galley0123abcd"`, `"eth0"`},
		"another cgroup":    {Marker + "0123abcd", "system.slice"},
		"a path as id":      {"0123abcd", "../../ab"},
		"no JSON":           {"{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.ReplaceAll(string(text), change[0], change[1])
			if err := os.WriteFile(filepath.Join(dir, recordName), []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readRecord(dir); err == nil {
				t.Errorf("it was believed: %+v", got)
			}
		})
	}
}

func TestOrphaned(t *testing.T) {
	r, err := newRecord("0123abcd", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*record)
		want   bool
	}{
		{"the owner lives", func(*record) {}, false},
		{"the owner is gone", func(r *record) { r.Owner.Start++ }, true},
		{"the owner is in another container", func(r *record) { r.Owner.Start++; r.PIDNS = "pid:[1]" }, false},
		{"the machine was restarted", func(r *record) { r.Boot = "another" }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := r
			tt.change(&changed)
			if got, err := changed.orphaned(); err != nil || got != tt.want {
				t.Errorf("orphaned is %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestSweepTrustsOnlyItsOwn plants what looks like a dead engine where others may write.
func TestSweepTrustsOnlyItsOwn(t *testing.T) {
	parent := t.TempDir()
	plant := func(name string, mode os.FileMode) string {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		r, err := newRecord("0123abcd", dir)
		if err != nil {
			t.Fatal(err)
		}
		r.Owner.Start++
		if err := r.write(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	mine, theirs := plant("mine", 0o700), plant("theirs", 0o777)
	stale, fresh := filepath.Join(parent, Marker+"00000001"), filepath.Join(parent, Marker+"00000002")
	for _, dir := range []string{stale, fresh} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * emptyAge)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(context.Background(), parent); err != nil {
		t.Fatal(err)
	}
	for dir, kept := range map[string]bool{mine: false, theirs: true, stale: false, fresh: true} {
		if _, err := os.Stat(dir); (err == nil) != kept {
			t.Errorf("%s: %v, want it kept: %v", dir, err, kept)
		}
	}
}

func TestMakeDirRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		full:                               "not empty",
		"/run/galley":                      "cannot see /run/",
		"/var/lib/galley":                  "cannot see /var/lib/",
		"/tmp/" + strings.Repeat("x", 100): "at most 104",
		"/tmp/no/such/parent":              "no such file",
	} {
		if _, err := makeDir(dir, "0123abcd"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("makeDir(%q): %v, want %q in it", dir, err, want)
		}
	}
}

func TestFindTool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":relative")
	if err := os.WriteFile(filepath.Join(dir, "tool"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := findTool("tool", ""); got != "" {
		t.Errorf("a file that cannot be run was found: %q", got)
	}
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := findTool("tool", ""), filepath.Join(dir, "tool"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := findTool("tool", "/given"); got != "/given" {
		t.Errorf("got %q, want what was given", got)
	}
	if got := searchPath(""); strings.Contains(got, "relative") {
		t.Errorf("a relative directory is searched: %q", got)
	}
}

// fakeTB records how a test ended.
type fakeTB struct {
	TB
	ended string
}

func (f *fakeTB) Helper()      {}
func (f *fakeTB) Fatal(...any) { f.ended = "failed" }
func (f *fakeTB) Skip(...any)  { f.ended = "skipped" }

func TestRequire(t *testing.T) {
	missing := errors.New("no dockerd")
	for _, tt := range []struct {
		ci   string
		err  error
		want string
	}{{"", nil, ""}, {"true", nil, ""}, {"", missing, "skipped"}, {"true", missing, "failed"}} {
		t.Setenv("CI", tt.ci)
		var f fakeTB
		if require(&f, tt.err); f.ended != tt.want {
			t.Errorf("CI=%q, %v: the test %q, want %q", tt.ci, tt.err, f.ended, tt.want)
		}
	}
}

type code int

func (c code) Run() int { return int(c) }

func TestSharedMain(t *testing.T) {
	var unused Shared
	for _, c := range []code{0, 1} {
		if got := unused.Main(c); got != int(c) {
			t.Errorf("Main of tests that ended with %d is %d", c, got)
		}
	}
}

func TestPoll(t *testing.T) {
	n := 0
	err := poll(context.Background(), func(context.Context) error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || n != 3 {
		t.Errorf("%d tries, %v", n, err)
	}
	n = 0
	end := errors.New("never")
	err = poll(context.Background(), func(context.Context) error { n++; return fatal{end} })
	if !errors.Is(err, end) || n != 1 {
		t.Errorf("%d tries, %v; want one", n, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*pollInterval)
	defer cancel()
	err = poll(ctx, func(context.Context) error { return end })
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, end) {
		t.Errorf("%v; want the deadline and the last error", err)
	}
}

func TestCgroupsMounted(t *testing.T) {
	for name, want := range map[string]bool{"cgroup.controllers": true, "devices/tasks": true, "cpu/tasks": false} {
		root := t.TempDir()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := cgroupsMounted(root); got != want {
			t.Errorf("with %s mounted = %v, want %v", name, got, want)
		}
	}
}
