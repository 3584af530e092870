package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SecretVar is what SECRET_<NAME>_VERSION and its modifiers say of a secret.
type SecretVar struct {
	Key     string // <NAME>: the compose secret's key in upper case, "DB_PASSWORD"
	Version string // "v1"; "" when the value is empty
	// Length in characters; 0 asks for a passphrase.
	Length int
	// Generate is false when the operator must insert the secret, and also when
	// the modifier is malformed: a made-up value in place of a real one does harm.
	Generate bool
	// Charset as written, "" without a modifier. KnownCharset tells which ones clients know.
	Charset   string
	Range     Range
	Commented bool
}

// MaxSecretLength bounds the length= modifier, in characters.
const MaxSecretLength = 1024

// Charsets are the values of the charset= modifier that clients know.
func Charsets() []string { return []string{"default", "special", "safespecial", "hex"} }

// KnownCharset says whether clients know the charset; "" is the default one.
func KnownCharset(name string) bool { return name == "" || slices.Contains(Charsets(), name) }

const (
	secretPrefix  = "SECRET_"
	versionSuffix = "_VERSION"
)

func isSecretVariable(name string) bool {
	return len(name) > len(secretPrefix)+len(versionSuffix) &&
		strings.HasPrefix(name, secretPrefix) && strings.HasSuffix(name, versionSuffix)
}

// Secrets lists the secrets that the file declares, each once and in the order
// of their first lines: the active declaration, else the last commented one.
// Malformed modifiers are among Problems.
func (e *EnvFile) Secrets() []SecretVar {
	var secrets []SecretVar
	index := map[string]int{}
	for _, l := range e.lines {
		if l.variable == nil || !isSecretVariable(l.variable.Name) {
			continue
		}
		s, _ := readSecret(*l.variable)
		i, seen := index[s.Key]
		switch {
		case !seen:
			index[s.Key] = len(secrets)
			secrets = append(secrets, s)
		case secrets[i].Commented || !s.Commented:
			secrets[i] = s
		}
	}
	return secrets
}

func checkSecret(v EnvVar) []EnvProblem {
	_, problems := readSecret(v)
	return problems
}

func readSecret(v EnvVar) (SecretVar, []EnvProblem) {
	s := SecretVar{
		Key:      strings.TrimSuffix(strings.TrimPrefix(v.Name, secretPrefix), versionSuffix),
		Version:  v.Sample(),
		Generate: true, Range: v.Range, Commented: v.Commented,
	}
	var problems []EnvProblem
	for _, m := range v.Modifiers {
		if message := s.modify(m); message != "" {
			problems = append(problems, EnvProblem{Range: m.Range, Message: message})
		}
	}
	return s, problems
}

// modify applies one modifier, and says what is wrong with a malformed one.
func (s *SecretVar) modify(m Modifier) string {
	switch m.Key {
	case "length":
		n, err := strconv.Atoi(m.Value)
		if err != nil || n < 1 || n > MaxSecretLength {
			return fmt.Sprintf("length %q; expected a number from 1 to %d", m.Value, MaxSecretLength)
		}
		s.Length = n
	case "generate":
		s.Generate = m.Value == "true"
		if m.Value != "true" && m.Value != "false" {
			return fmt.Sprintf("generate %q; expected true or false", m.Value)
		}
	case "charset":
		s.Charset = m.Value
		if m.Value == "" || !KnownCharset(m.Value) {
			return fmt.Sprintf("charset %q is not known to clients; expected one of %s", m.Value, strings.Join(Charsets(), ", "))
		}
	default:
		return fmt.Sprintf("modifier %q is not known; expected length, generate or charset", m.Key)
	}
	return ""
}
