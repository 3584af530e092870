package backup

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

const backedUpEnv = `# by hand
TYPE=cloud:1.2.0+5
DOMAIN=cloud.example.org
STACK_NAME=cloud_example_org
#OLD=cloud.example.org
EXTRA_DOMAINS="` + "`www.cloud.example.org`" + `"
MAIL=ada@example.org
SECRET_DB_VERSION=v3 # length=20
`

func prepared1(run string) *Prepared {
	return &Prepared{manifest: &Manifest{Run: run, Domain: "cloud.example.org", Stack: "cloud_example_org", Version: "1.1.0+4"}}
}

func TestEnvFileOfARestore(t *testing.T) {
	for domain, c := range map[string]struct {
		want  map[string]string
		gone  string
		notes []string
	}{
		"cloud.example.org": {want: map[string]string{"TYPE": "cloud:1.1.0+4", "DOMAIN": "cloud.example.org", "STACK_NAME": "cloud_example_org"}},
		"two.example.net": {
			want:  map[string]string{"TYPE": "cloud:1.1.0+4", "DOMAIN": "two.example.net", "EXTRA_DOMAINS": "`www.cloud.example.org`", "MAIL": "ada@example.org"},
			gone:  "STACK_NAME",
			notes: []string{"EXTRA_DOMAINS in the env file still names cloud.example.org"},
		},
	} {
		p := prepared1("20261130T015959Z-0001")
		text, err := p.editEnv([]byte(backedUpEnv), domain)
		if err != nil {
			t.Fatal(err)
		}
		dir := deployer.Dir{Root: t.TempDir()}
		app, err := dir.AppWith("prod", domain, text)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range c.want {
			if got, _ := app.Env.Get(name); got.Value != want {
				t.Errorf("%s: %s is %q, expected %q", domain, name, got.Value, want)
			}
		}
		if _, there := app.Env.Get(c.gone); there && c.gone != "" {
			t.Errorf("%s: %s is still there", domain, c.gone)
		}
		if app.Stack != deployer.StackName(domain) || app.Path != filepath.Join(dir.Root, "servers", "prod", domain+".env") {
			t.Errorf("%s: stack %s at %s", domain, app.Stack, app.Path)
		}
		if !slices.Equal(p.Notes, c.notes) {
			t.Errorf("%s: notes %q", domain, p.Notes)
		}
		if !strings.HasPrefix(string(text), "# by hand\n") || !strings.Contains(string(text), "SECRET_DB_VERSION=v3 # length=20\n") {
			t.Errorf("%s: the rest of the file is not as it was:\n%s", domain, text)
		}
	}
}

// TestStackNameOfItsOwn stays: it was no copy of what the domain gives.
func TestStackNameOfItsOwn(t *testing.T) {
	p := prepared1("20261130T015959Z-0001")
	text, err := p.editEnv([]byte("TYPE=cloud\nDOMAIN=cloud.example.org\nSTACK_NAME=other\n"), "two.example.net")
	if err != nil || !strings.Contains(string(text), "STACK_NAME=other\n") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestValueOfASecret(t *testing.T) {
	p := prepared1("20261130T015959Z-0001")
	p.App.Stack = "two_example_net"
	p.values = map[string][]byte{}
	for _, name := range []string{
		"cloud_example_org_db_v3", "cloud_example_org_admin", "cloud_example_org_token_v1", "cloud_example_org_token_v2",
		"cloud_example_org_key_prod1", "shared_smtp",
	} {
		p.values[name] = []byte("of " + name)
	}
	for _, c := range []struct{ name, version, want string }{
		{"cloud_example_org_db_v3", "v3", "cloud_example_org_db_v3"}, // the same stack's
		{"two_example_net_db_v3", "v3", "cloud_example_org_db_v3"},
		{"two_example_net_db_v4", "v4", "cloud_example_org_db_v3"}, // raised, because v3 was taken
		{"two_example_net_key_prod2", "prod2", "cloud_example_org_key_prod1"},
		{"two_example_net_key_v2", "v2", ""}, // not raised from prod1
		{"two_example_net_admin", "", "cloud_example_org_admin"},
		{"shared_smtp", "", "shared_smtp"},
		{"two_example_net_user", "", ""},       // the admin's is another secret
		{"two_example_net_token_v3", "v3", ""}, // of which of the two nobody knows
		{"two_example_net_d_v3", "v3", ""},
	} {
		value, ok := p.valueOf(deployer.SecretSpec{Name: c.name, Version: c.version})
		if want := strings.TrimPrefix("of "+c.want, "of "); ok != (want != "") || ok && string(value) != "of "+want {
			t.Errorf("%s: %q, %v, expected that of %q", c.name, value, ok, c.want)
		}
	}
}

// TestPrepare reads what a run has, from its repository.
func TestPrepare(t *testing.T) {
	r, dir, _ := fresh(t)
	m := newManifest("cloud.example.org", testTime.AddDate(0, 0, 1))
	m.Stack, m.Recipe = "cloud_example_org", "cloud"
	values, err := json.Marshal(secretsFile{Format: 1, Stack: m.Stack, Values: map[string][]byte{"cloud_example_org_db_v3": {0, 1, 2, 255}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []Part{{Kind: KindEnv, Name: "cloud.example.org.env"}, {Kind: KindSecrets, Name: "secrets.json"}} {
		data := map[Kind][]byte{KindEnv: []byte(backedUpEnv), KindSecrets: values}[part.Kind]
		if err := r.StorePart(t.Context(), m, &part, giving(data)); err != nil {
			t.Fatal(err)
		}
		m.Parts = append(m.Parts, part)
	}
	to := Target{Dir: deployer.Dir{Root: dir}, Domain: "two.example.net", Server: "prod"}
	p, err := Prepare(t.Context(), r, m, to)
	if err != nil {
		t.Fatal(err)
	}
	value, ok := p.valueOf(deployer.SecretSpec{Name: "two_example_net_db_v3", Version: "v3"})
	if !ok || string(value) != "\x00\x01\x02\xff" || p.App.Domain != to.Domain || p.App.Server != "prod" || p.App.Recipe != "cloud" || p.App.Version != m.Version {
		t.Errorf("%q, %+v", value, p.App)
	}
	to.Env = []byte("TYPE=cloud:9.0.0+9\nDOMAIN=cloud.example.org\nMINE=1\n")
	if p, err = Prepare(t.Context(), r, m, to); err != nil || p.App.Version != m.Version {
		t.Fatalf("with the env file that stands: %v, %+v", err, p)
	}
	if mine, _ := p.App.Env.Get("MINE"); mine.Value != "1" {
		t.Error("the env file that stands was not taken")
	}
	m.Parts = m.Parts[1:]
	to.Env = nil
	if _, err := Prepare(t.Context(), r, m, to); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "has no env file") {
		t.Errorf("without an env file: %v", err)
	}
}

// TestVolumesOfAnotherApp holds what a restore into another app may write.
func TestVolumesOfAnotherApp(t *testing.T) {
	options := map[string]map[string]string{
		"two_example_net_nfs":   {"type": "nfs", "device": ":/export/cloud"},
		"two_example_net_own":   {"type": "nfs", "device": ":/export/two.example.net"},
		"two_example_net_ram":   {"type": "tmpfs", "device": "tmpfs"},
		"cloud_example_org_nfs": {"type": "nfs", "device": ":/export/cloud"},
	}
	wanted := func(domain string) *restoration {
		stack := &deployer.Stack{Name: deployer.StackName(domain), Volumes: map[string]deployer.Volume{}}
		for name, opts := range options {
			v := deployer.Volume{Name: name}
			v.Options.DriverOpts = opts
			stack.Volumes[name] = v
		}
		o := RestoreOptions{Manifest: prepared1("").manifest, Desired: &deployer.Desired{Stack: stack, Domain: domain}}
		return &restoration{RestoreOptions: o}
	}
	for _, c := range []struct {
		domain, volume, want string
		stands, refused      bool
	}{
		{"cloud.example.org", "cloud_example_org_data", "cloud_example_org_data", true, false},
		{"cloud.example.org", "shared", "shared", true, false},
		{"cloud.example.org", "cloud_example_org_nfs", "cloud_example_org_nfs", true, false},
		{"two.example.net", "cloud_example_org_data", "two_example_net_data", false, false},
		{"two.example.net", "cloud_example_org_data", "two_example_net_data", true, false},
		{"two.example.net", "shared", "shared", true, true},
		{"two.example.net", "shared", "shared", false, false},
		{"two.example.net", "data-of-cloud.example.org", "data-of-two.example.net", false, false},
		{"two.example.net", "cloud_example_org_nfs", "two_example_net_nfs", false, true},
		{"two.example.net", "cloud_example_org_own", "two_example_net_own", false, false},
		{"two.example.net", "cloud_example_org_ram", "two_example_net_ram", false, false},
	} {
		r := wanted(c.domain)
		name := r.volumeOf(&Part{Volume: c.volume})
		err := r.refuseShared(name, c.stands)
		if name != c.want || (err != nil) != c.refused || err != nil && fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s of a restore into %s goes to %s (%v)", c.volume, c.domain, name, err)
		}
	}
	trial := wanted("two.example.net")
	trial.Apart = map[string]string{"shared": "two_example_net_apart0"}
	if name := trial.volumeOf(&Part{Volume: "shared"}); name != "two_example_net_apart0" || trial.refuseShared(name, false) != nil {
		t.Errorf("of a trial: %s", name)
	}
}
