package deployer

import (
	"fmt"
	"strings"
	"testing"
)

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"DB_PASSWORD": true, "MYSQL_ROOT_PASS": true, "db_pwd": true, "API_KEY": true, "APIKEY": true, "apiKey": true, "SECRET_TOKEN": true,
		"AWS_SECRET_ACCESS_KEY": true, "SMTP_CREDENTIALS": true, "SALT": true, "SENTRY_DSN": true, "--db.password": true,
		"traefik.http.middlewares.a.basicauth.users": true, "MASTER_KEYS": true, "PASSPHRASE": true,
		"DB_PASSWORD_FILE": false, "SECRET_DB_PASSWORD_VERSION": false, "KEY_PATH": false, "KEYCLOAK_HOST": false, "KEYBOARD": false,
		"DOMAIN": false, "LOG_LEVEL": false, "": false, "SMTP_HOST": false, "LETS_ENCRYPT_ENV": false,
	} {
		if got := secretName(name); got != want {
			t.Errorf("secretName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestMaskedTexts(t *testing.T) {
	const secret = "Zq9!hunter"
	for _, test := range []struct{ name, value, want string }{
		{"DB_PASSWORD", secret, Masked},
		{"DB_PASSWORD", "/run/secrets/db_password", "/run/secrets/db_password"},
		{"USE_TOKEN", "true", "true"},
		{"DB_PASSWORD", "", ""},
		{"URL", "postgres://web:" + secret + "@db:5432/web?x=1", "postgres://web:" + Masked + "@db:5432/web?x=1"},
		{"URL", "redis://:" + secret + "@cache", "redis://:" + Masked + "@cache"},
		{"URL", "https://" + secret + "@example.org/x", "https://" + Masked + "@example.org/x"},
		{"URL", "https://example.org/a@b", "https://example.org/a@b"},
		{"REPO", "ssh://git@example.org/x", "ssh://git@example.org/x"},
		{"DATABASE", "web:" + secret + "@tcp(db:3306)/web", "web:" + Masked + "@tcp(db:3306)/web"},
		{"USERS", "admin:$2y$05$abcdefghijklmnopqrstuv", "admin:" + Masked},
		{"USERS", "admin:$apr1$abc$def", "admin:" + Masked},
		{"OPTIONS", "addr=1.2.3.4,username=u,password=" + secret, "addr=1.2.3.4,username=u,password=" + Masked},
		{"JSON", `{"token": "` + secret + `"}`, `{"token": "` + Masked + `"}`},
		{"JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", Masked},
		{"PEM", "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", Masked},
		{"PEM", "-----BEGIN PRIVATE KEY-----\nabc", Masked},
		{"GREETING", "hello world", "hello world"},
		{"IMAGE", "nginx:1.27@sha256:abc", "nginx:1.27@sha256:abc"},
		{"RULE", "Host(`web.example.org`)", "Host(`web.example.org`)"},
	} {
		if got := (&masker{}).value(test.name, test.value); got != test.want {
			t.Errorf("value(%q, %q) = %q, want %q", test.name, test.value, got, test.want)
		}
	}
}

func TestMaskedFields(t *testing.T) {
	for _, test := range []struct{ path, value, want string }{
		{"TaskTemplate.ContainerSpec.Env[DB_PASSWORD]", "x", Masked},
		{"TaskTemplate.ContainerSpec.Env[NAME]", "x", "x"},
		{"Labels[api.token]", "x", Masked},
		{"TaskTemplate.LogDriver.Options[splunk-token]", "x", Masked},
		{"TaskTemplate.ContainerSpec.Mounts[/data].VolumeOptions.Labels[my.secret]", "x", Masked},
		{"TaskTemplate.ContainerSpec.Secrets[/run/secrets/db_password].SecretName", "s_v1", "s_v1"},
		{"TaskTemplate.ContainerSpec.Args", `["--password=x","--token","y","--name","z"]`, `["--password=` + Masked + `","--token","` + Masked + `","--name","z"]`},
		{"TaskTemplate.ContainerSpec.Command", `["a","<b> & c"]`, `["a","<b> & c"]`},
	} {
		if got := (&masker{}).field(test.path, test.value); got != test.want {
			t.Errorf("field(%q, %q) = %q, want %q", test.path, test.value, got, test.want)
		}
	}
}

func TestLearnedSecretsAreHiddenEverywhere(t *testing.T) {
	var m masker
	m.learn("DB_PASSWORD", "correct-horse")
	m.learn("LONGER_TOKEN", "correct-horse-battery")
	m.learn("SHORT_PASSWORD", "ab")
	m.learn("USE_PASSWORD", "true")
	m.learn("NAME", "visible")
	got := m.text("a correct-horse-battery, a correct-horse, ab, true, visible")
	if want := "a " + Masked + ", a " + Masked + ", ab, true, visible"; got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
	other := m.clone()
	other.learn("X_TOKEN", "only-in-the-clone")
	if m.text("only-in-the-clone") == Masked {
		t.Error("a clone taught the original")
	}
}

func FuzzMask(f *testing.F) {
	f.Add("postgres://u:p@h/d", "--password=x")
	f.Fuzz(func(t *testing.T, value, arg string) {
		m := masker{}
		m.learn("PASSWORD", "a-known-secret")
		if got := m.value("X", value+" a-known-secret "+arg); strings.Contains(got, "a-known-secret") {
			t.Errorf("%q shows the secret", got)
		}
		m.field("Args", value)
	})
}

func TestOutcomeHidesSecrets(t *testing.T) {
	var m masker
	m.learn("DB_PASSWORD", "correct-horse")
	o := Outcome{
		Reason: "task failed: cannot log in with correct-horse",
		Failures: []Failure{{
			Error: "postgres://web:correct-horse@db", Health: "password=hunter22",
			Logs: []string{"using correct-horse", "listening on :80"},
		}},
	}
	o.hide(&m)
	text := fmt.Sprintf("%+v", o)
	for _, secret := range []string{"correct-horse", "hunter22"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is still in %s", secret, text)
		}
	}
	if o.Failures[0].Logs[1] != "listening on :80" {
		t.Errorf("a harmless line became %q", o.Failures[0].Logs[1])
	}
}
