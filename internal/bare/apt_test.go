package bare

import "testing"

func TestParseTargets(t *testing.T) {
	mirror, list := parseTargets(`http://mirror.example.org/debian/ trixie main
http://mirror.example.org/debian/ trixie contrib
http://mirror.example.org/debian/ trixie-updates main
http://mirror.example.org/security/ trixie-security main
http://vendor.example.org/apt/ trixie stable
http://vendor.example.org/node/ nodistro main
http://old.example.org/debian/ bookworm main
`, "trixie")
	const want = `deb http://mirror.example.org/debian/ trixie main
deb http://mirror.example.org/debian/ trixie-updates main
deb http://mirror.example.org/security/ trixie-security main
`
	if mirror != "http://mirror.example.org/debian/" || list != want {
		t.Errorf("mirror %q, list:\n%s", mirror, list)
	}
	if mirror, _ := parseTargets("", "trixie"); mirror != "" {
		t.Errorf("a mirror %q out of nothing", mirror)
	}
}

func TestParseConfig(t *testing.T) {
	config, proxy := parseConfig(`APT "";
Acquire::Check-Valid-Until "false";
Acquire::http::Proxy "http://cache.example.org:3142/";
Acquire::Languages "none";
Acquire::Retries "5";
`)
	if config != "Acquire::Check-Valid-Until \"false\";\nAcquire::Retries \"5\";\n" || proxy != "http://cache.example.org:3142/" {
		t.Errorf("config %q, proxy %q", config, proxy)
	}
	if _, proxy := parseConfig(`Acquire::http::Proxy "DIRECT";`); proxy != "" {
		t.Errorf("DIRECT is a proxy: %q", proxy)
	}
}
