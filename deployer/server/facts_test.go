package server

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestParseDF(t *testing.T) {
	d := parseDF("/var/lib/docker", "/dev/my disk   40960000 30720000 8192000 79% /var/lib my\n", "/dev/vda1 2560000 256000 2304000 10% /\n")
	if want := (Disk{"/var/lib/docker", 40960000 << 10, 8192000 << 10, 2560000, 2304000}); d == nil || *d != want {
		t.Errorf("%+v, want %+v", d, want)
	}
	if d := parseDF("/x", "/dev/vda1 100 50 50 50% /", "/dev/vda1 0 0 0 - /"); d == nil || d.Inodes != 0 || d.Free != 50<<10 {
		t.Errorf("a file system without inodes: %+v", d)
	}
	for _, bad := range []string{"", "df: no such file", "Filesystem 1024-blocks Used Available Capacity Mounted on"} {
		if d := parseDF("/x", bad, ""); d != nil {
			t.Errorf("%q: %+v", bad, d)
		}
	}
}

func TestParseRoutes(t *testing.T) {
	got := parseRoutes("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"wg0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\nshort\n")
	want := []Route{{netip.MustParsePrefix("10.0.2.0/24"), "eth0"}, {netip.MustParsePrefix("192.168.0.0/16"), "wg0"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestParseDaemon(t *testing.T) {
	d, err := parseDaemon([]byte(`{"log-driver":"json-file","log-opts":{"max-size":"10m"},"live-restore":true,"insecure-registries":["r:5000"],"x":1}`))
	if err != nil || d.LogOpts["max-size"] != "10m" || !d.LiveRestore || len(d.Insecure) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := parseDaemon([]byte(" \n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := parseDaemon([]byte("{")); err == nil {
		t.Error("half a file is taken")
	}
}

func TestMaxSize(t *testing.T) {
	for want, f := range map[string]Facts{
		"10m": {Daemon: Daemon{LogOpts: map[string]string{"max-size": "10m"}}},
		"5m":  {Flags: []string{"dockerd", "--log-opt", "max-size=5m"}},
		"6m":  {Flags: []string{"dockerd", "--log-opt", "max-file=2", "--log-opt=max-size=6m"}},
		"":    {Flags: []string{"dockerd", "max-size=5m", "--log-opt"}},
	} {
		if got := f.maxSize(); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

func TestSections(t *testing.T) {
	got := sections("@galley disk\na b\n@galley daemon\n{\n}\n\n@galley end\n")
	if got["disk"] != "a b\n" || got["daemon"] != "{\n}\n\n" || len(got) != 3 {
		t.Errorf("%q", got)
	}
}
