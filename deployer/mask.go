package deployer

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Masked stands for a value that is not shown.
const Masked = "********"

// masker hides secrets in what a plan shows: values under secret-looking names,
// secret-looking values, and every place where a value of the first kind turns
// up again, as a password does in a database URL.
type masker struct {
	known []string // values to hide wherever they occur, longest first
}

// minKnown is the shortest value that is looked for elsewhere: a shorter one
// would hide half a plan ("1", "true", "admin").
const minKnown = 6

// clone is a masker that learns without teaching the other.
func (m masker) clone() masker { return masker{known: slices.Clone(m.known)} }

// learn remembers the value when its name says that it is a secret.
func (m *masker) learn(name, value string) {
	if !secretName(name) || harmless(value) || len(value) < minKnown || slices.Contains(m.known, value) {
		return
	}
	m.known = append(m.known, value)
	slices.SortFunc(m.known, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// value is what may be shown of the value called name.
func (m *masker) value(name, value string) string {
	if value == "" {
		return value
	}
	if secretName(name) && !harmless(value) {
		return Masked
	}
	return m.text(value)
}

// text is what may be shown of a text that has no name.
func (m *masker) text(s string) string {
	for _, known := range m.known {
		s = strings.ReplaceAll(s, known, Masked)
	}
	for _, p := range secretPatterns {
		s = p.find.ReplaceAllString(s, p.replace)
	}
	return s
}

// secretPatterns find values that are secrets whatever they are called.
var secretPatterns = []struct {
	find    *regexp.Regexp
	replace string
}{
	// scheme://user:password@host, and https://token@host
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/?#@]*):[^\s/?#]*@`), "${1}:" + Masked + "@"},
	{regexp.MustCompile(`(https?://)[^\s:/?#@]+@`), "${1}" + Masked + "@"},
	// user:password@tcp(host)/database
	{regexp.MustCompile(`(^|[\s"'=])([A-Za-z0-9_.-]+):[^\s@/]+@(tcp|udp|unix)\(`), "${1}${2}:" + Masked + "@${3}("},
	// hashes of passwords: bcrypt, sha-crypt, apr1, argon2
	{regexp.MustCompile(`\$(2[abxy]?|5|6|y|1|apr1|argon2[id]{1,2})\$[^\s,;"']+`), Masked},
	// JSON web tokens and private keys
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), Masked},
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`), Masked},
	// --password=x, password: x, "token": "x" inside commands and documents
	{regexp.MustCompile(`(?i)((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credentials?)["']?\s*[=:]\s*["']?)[^\s"',;&]+`), "${1}" + Masked},
}

// secretWords make a name secret-looking wherever they stand in it; secretEnds
// only at the end of a word, so that KEYCLOAK_HOST is shown and APIKEY is not.
var (
	secretWords = []string{"PASS", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "SALT", "HTPASSWD", "BASICAUTH", "DSN"}
	secretEnds  = []string{"KEY", "KEYS", "PIN", "SEED", "HASH"}
)

// secretName tells whether a variable, label or flag of that name is likely to
// hold a secret. It errs towards hiding.
func secretName(name string) bool {
	name = strings.ToUpper(strings.TrimLeft(name, "-"))
	for _, end := range []string{"_FILE", "_VERSION", "_PATH"} {
		if strings.HasSuffix(name, end) { // where the secret is, or which one: not the secret
			return false
		}
	}
	if slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(name, w) }) {
		return true
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(word, end) })
	})
}

// harmless are values that no secret has, under whatever name.
func harmless(value string) bool {
	return slices.Contains([]string{"", "true", "false", "0", "1", "yes", "no", "on", "off"}, strings.ToLower(value)) ||
		strings.HasPrefix(value, "/run/secrets/")
}

// field is what may be shown of the value at a path of a flattened spec.
func (m *masker) field(path, value string) string {
	if strings.HasPrefix(value, "[") {
		var list []string
		if json.Unmarshal([]byte(value), &list) == nil {
			return m.list(list)
		}
	}
	name := ""
	if i := strings.IndexByte(path, '['); i >= 0 && strings.HasSuffix(path, "]") {
		for _, keyed := range []string{"Env[", "Labels[", "Options[", "Sysctls["} {
			if strings.HasSuffix(path[:i+1], keyed) || strings.Contains(path, "."+keyed) {
				name = path[strings.LastIndex(path, keyed)+len(keyed) : len(path)-1]
			}
		}
	}
	return m.value(name, value)
}

// list is what may be shown of a command: the value behind a secret-looking
// flag, in one word with it or in the next, is not.
func (m *masker) list(words []string) string {
	shown := make([]string, len(words))
	hide := false
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		switch {
		case hide:
			shown[i] = Masked
		case ok:
			shown[i] = m.text(name) + "=" + m.value(name, value)
		default:
			shown[i] = m.text(word)
		}
		hide = strings.HasPrefix(word, "-") && !ok && secretName(word)
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(shown); err != nil {
		return Masked
	}
	return strings.TrimSpace(out.String())
}
