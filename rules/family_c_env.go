package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// envSetting is one variable of a service's environment, of either form. Unlike
// recipe.Label it has no places until they are asked for: most are never named.
type envSetting struct {
	name, value string
	node        recipe.Node
	at          int // the byte of the node's text where the value starts
	listed      bool
}

// eachSetting calls use for the name=value items of a list, or the pairs of a
// mapping: an environment, labels, sysctls.
func eachSetting(n recipe.Node, use func(envSetting)) {
	for _, item := range n.Items() {
		if item.IsScalar() {
			name, value, _ := strings.Cut(item.Text(), "=")
			use(envSetting{name, value, item, len(item.Text()) - len(value), true})
		}
	}
	for name, value := range n.Pairs() {
		if value.IsScalar() && !value.IsNull() {
			use(envSetting{name, value.Text(), value, 0, false})
		}
	}
}

// namePlace is where the name stands.
func (s envSetting) namePlace() recipe.Range {
	if s.listed {
		return s.node.Sub(0, len(s.name))
	}
	return s.node.KeyRange()
}

// place is where the bytes [from, to) of the value stand.
func (s envSetting) place(from, to int) recipe.Range { return s.node.Sub(s.at+from, s.at+to) }

// literal is the value when the file itself says it, as it stands or as the
// default of a variable. ok is false when the operator gives it.
func (s envSetting) literal() (reading expansion, ok bool) {
	if s.value == "" {
		return expansion{}, false
	}
	reading = values{}.expand(s.value)
	return reading, !reading.guessed() && reading.text != "" && !strings.Contains(reading.text, "$")
}

// byDefault names the variable whose default the reading is, "" for plain text.
func (e expansion) byDefault() string {
	for _, p := range e.parts {
		if p.origin != "" {
			return p.name
		}
	}
	return ""
}

// secretName tells whether what goes by a name is meant to be known to few. The
// last word counts: PASSWORD_FILE and TOKEN_EXPIRY are no secrets.
func secretName(name string) bool {
	name = strings.ToUpper(name)
	at := strings.LastIndexAny(name, "_-.")
	word, rest := name[at+1:], strings.TrimRight(name[:max(0, at)], "_-.")
	switch word {
	case "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "SECRETKEY", "REQUIREPASS", "MASTERAUTH", "ROOTPW":
		return !public(rest)
	case "PWD", "PW":
		return rest != ""
	case "KEY":
		before := rest[strings.LastIndexAny(rest, "_-.")+1:]
		if before == "ACCESS" {
			return strings.Contains(rest, "SECRET")
		}
		return slices.Contains(keyWords, before) && !public(rest)
	case "BASE":
		return strings.HasSuffix(rest, "SECRET_KEY") || strings.HasSuffix(rest, "SECRET-KEY")
	}
	return strings.HasSuffix(word, "PASSWORD") || strings.HasSuffix(word, "PASSWD")
}

// keyWords are what stands before KEY in the name of a secret.
var keyWords = []string{"API", "APP", "AUTH", "COOKIE", "ENC", "ENCRYPTION", "JWT", "MASTER", "PRIVATE", "SECRET", "SESSION", "SIGNING"}

// public tells whether a name says that everybody may know.
func public(name string) bool {
	return strings.Contains(name, "PUBLIC") || strings.Contains(name, "PUBLISHABLE") || strings.Contains(name, "ANON")
}

// credential tells whether a value can be one: not a switch, a number, a path, a
// web address or a word that means nothing.
func credential(name, value string) bool {
	switch strings.ToLower(value) {
	case "", "none", "null", "nil", "undefined", "random", "optional", "disabled", "enabled", "[]", "{}", "yes", "no", "true", "false", "on", "off", "0", "1":
		return false
	}
	switch {
	case strings.ContainsAny(value, " \t\n"), strings.Contains(value, "://"), strings.Contains(value, "{{"), strings.Contains(value, "\x00"):
		return false
	case strings.ContainsAny(value[:1], "/.~<"), strings.HasPrefix(value, "file:"), strings.Trim(value, "*.…") == "":
		return false
	case strings.HasPrefix(value, "run/secrets"), strings.HasPrefix(value, "vault:"), strings.HasPrefix(value, "secret:"), strings.HasPrefix(value, "env:"):
		return false
	}
	number := strings.Trim(value, "0123456789") == ""
	return !number || len(value) >= 4 && strings.Contains(strings.ToUpper(name), "PASS")
}

// eachCredential calls use for every variable of a service that holds a
// credential which the file itself gives, once for each place.
func eachCredential(p *lint.Pass, use func(lint.Service, envSetting, expansion)) {
	said := places{}
	for _, service := range p.Services() {
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.value == "" || !secretName(s.name) {
				return
			}
			reading, ok := s.literal()
			if !ok || !credential(s.name, reading.text) || said.again(s.place(0, len(s.value))) {
				return
			}
			use(service, s, reading)
		})
	}
}

// guessable says why a credential is the first that anybody tries, "" when it is
// not.
func guessable(service lint.Service, value string) string {
	plain := strings.ToLower(value)
	if slices.Contains(commonCredentials, plain) {
		return "is among the first that anybody tries"
	}
	for _, hint := range []string{"changeme", "change-me", "change_me", "changethis", "change-this", "change_this", "replaceme", "replace-me", "your_", "your-", "yourpassword", "xxxx", "example"} {
		if strings.Contains(plain, hint) {
			return "is a placeholder that works when nobody replaces it"
		}
	}
	same := ""
	eachSetting(service.Node.Get("environment"), func(s envSetting) {
		name := strings.ToUpper(s.name)
		if !strings.HasSuffix(name, "USER") && !strings.HasSuffix(name, "USERNAME") && !strings.HasSuffix(name, "_DB") && !strings.HasSuffix(name, "DATABASE") {
			return
		}
		if strings.EqualFold(fallback(s.value), value) {
			same = "is the same as " + s.name
		}
	})
	return same
}

// commonCredentials are well-known defaults and the head of every list of
// passwords, sorted.
var commonCredentials = []string{
	"123456", "12345678", "123456789", "1234567890", "admin", "admin123", "administrator", "adminadmin", "apipass", "changepassword",
	"clickhouse", "couchdb", "default", "demo", "elastic", "elasticsearch", "grafana", "guest", "hunter2", "insecure", "letmein", "mariadb",
	"minio", "minio123", "minioadmin", "mongo", "mongodb", "mypassword", "mysecret", "mysecretpassword", "mysql", "my-secret-pw", "neo4j",
	"p@ssw0rd", "pass", "passw0rd", "password", "password1", "password123", "postgres", "postgresql", "qwerty", "rabbitmq", "redis",
	"root", "rootpassword", "root_password", "sa", "secret", "secretkey", "secret-key", "supersecret", "supersecretpassword", "test", "test123",
	"testing", "toor", "user", "welcome", "youshallnotpass",
}
