package recipe

import (
	"regexp"
	"strings"
	"testing"
)

func TestStackName(t *testing.T) {
	for domain, want := range map[string]string{
		"cloud.example.org":       "cloud_example_org",
		"my-cloud.example.org":    "my-cloud_example_org",
		"localhost":               "localhost",
		"a b/c:d.org":             "a_b_c_d_org",
		"ünï.org":                 "_n__org",
		strings.Repeat("a", 45):   strings.Repeat("a", 45),
		strings.Repeat("ab.", 20): strings.Repeat("ab_", 15),
		"":                        "",
	} {
		if got := StackName(domain); got != want {
			t.Errorf("%q: got %q, want %q", domain, got, want)
		}
	}
	longest := StackName(strings.Repeat("a", 60)) + "_" + strings.Repeat("k", MaxSecretName) + "_v1234"
	if len(longest) != MaxObjectName {
		t.Errorf("the longest secret has %d characters, swarm takes %d", len(longest), MaxObjectName)
	}
}

func TestValidDomain(t *testing.T) {
	for _, domain := range []string{"example.org", "a.b-c.example.org", "localhost", "xn--bcher-kva.example", "1.example.org", strings.Repeat("a", 63) + ".org"} {
		if err := ValidDomain(domain); err != nil {
			t.Errorf("%v", err)
		}
	}
	for domain, want := range map[string]string{
		"":                               `domain "" has 0 characters`,
		"Example.org":                    `label "Example"`,
		"-a.org":                         `label "-a"`,
		"a-.org":                         `label "a-"`,
		"a..org":                         `label ""`,
		".org":                           `label ""`,
		"example.org.":                   `label ""`,
		"../etc":                         `label ""`,
		"a/b.org":                        `label "a/b"`,
		"a_b.org":                        `label "a_b"`,
		"*.example.org":                  `label "*"`,
		"example.org:8080":               `label "org:8080"`,
		"bücher.example":                 `label "bücher"`,
		"a.org\n":                        `label "org\n"`,
		strings.Repeat("a", 64):          `label "aaaa`,
		strings.Repeat("a.", 126) + "ab": `has 254 characters; expected 1 to 253`,
	} {
		if err := ValidDomain(domain); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", domain, err, want)
		}
	}
}

func TestValidRecipeName(t *testing.T) {
	for _, name := range []string{"matomo", "go-ssb-room", "a", "0x", "a.b_c-d", strings.Repeat("a", MaxRecipeName)} {
		if err := ValidRecipeName(name); err != nil {
			t.Errorf("%v", err)
		}
	}
	for _, name := range []string{"", ".", "..", "a..b", ".hidden", "-rf", "_a", "a/b", `a\b`, "../a", "Matomo", "a b", "a.", "a\n", "é", "a\x00", strings.Repeat("a", MaxRecipeName+1)} {
		if err := ValidRecipeName(name); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestVariableNames(t *testing.T) {
	for key, want := range map[string][2]string{
		"db_password": {"SECRET_DB_PASSWORD_VERSION", "DB_PASSWORD_VERSION"},
		"nginx_conf":  {"SECRET_NGINX_CONF_VERSION", "NGINX_CONF_VERSION"},
		"app.ini":     {"SECRET_APP_INI_VERSION", "APP_INI_VERSION"},
		"smtp-pass":   {"SECRET_SMTP_PASS_VERSION", "SMTP_PASS_VERSION"},
	} {
		if got := [2]string{SecretVariable(key), ConfigVariable(key)}; got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("cloud.example.org")
	object := regexp.MustCompile(`^[a-zA-Z0-9_-]{0,45}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if name := StackName(s); !object.MatchString(name) {
			t.Fatalf("stack name %q", name)
		}
		for _, err := range []error{ValidDomain(s), ValidRecipeName(s)} {
			if err == nil && (strings.ContainsAny(s, "/\\\x00 \n") || strings.HasPrefix(s, ".") || strings.Contains(s, "..")) {
				t.Fatalf("%q is accepted as a path component", s)
			}
		}
	})
}
