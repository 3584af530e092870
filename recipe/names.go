package recipe

import (
	"fmt"
	"regexp"
	"strings"
)

// Limits of names in swarm, in characters.
const (
	// MaxObjectName is the longest name of a config, secret or network that swarm takes.
	MaxObjectName = 64
	// MaxSecretName is what MaxObjectName leaves for a secret's key beside the
	// stack's name and the version: <stack>_<key>_<version>.
	MaxSecretName = 12
	// MaxStackName is where clients cut a stack's name, so that the above fits.
	MaxStackName = 45
	// MaxRecipeName keeps a recipe's name usable as a file name with a suffix.
	MaxRecipeName = 128
)

// StackName is the name of the stack for an app's domain: dots become "_", and
// so does whatever else swarm allows in no name. A longer name than MaxStackName
// is cut there, in the middle of a label if need be, as existing clients do:
// another choice would not find the stacks that they deployed. Two long domains
// with the same start therefore share a name; who deploys has to compare the
// domain that the stack was deployed for.
func StackName(domain string) string {
	name := strings.Map(func(r rune) rune {
		if r == '.' || r != '-' && !strings.ContainsRune(tagCharacters, r) {
			return '_'
		}
		return r
	}, domain)
	return name[:min(len(name), MaxStackName)]
}

var domainLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidDomain checks an app's domain, RFC 1123 section 2.1: labels of letters,
// digits and inner hyphens, at most 63 characters each and 253 together. Lower
// case only: the domain is a file's name too, and two files for one host would
// be two apps.
func ValidDomain(domain string) error {
	if domain == "" || len(domain) > 253 {
		return fmt.Errorf("domain %q has %d characters; expected 1 to 253", shorten(domain), len(domain))
	}
	for _, label := range strings.Split(domain, ".") {
		if !domainLabel.MatchString(label) {
			return fmt.Errorf("domain %q: label %q; expected a-z, 0-9 and inner \"-\", as in cloud.example.org (names in other scripts as xn--…)", shorten(domain), shorten(label))
		}
	}
	return nil
}

var recipeName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// ValidRecipeName checks a recipe's name before it becomes part of a path: it
// never leaves a folder, is never hidden, and reads the same on every file system.
func ValidRecipeName(name string) error {
	if len(name) > MaxRecipeName {
		return fmt.Errorf("recipe name %q has %d characters; expected at most %d", shorten(name), len(name), MaxRecipeName)
	}
	if !recipeName.MatchString(name) || strings.Contains(name, "..") || strings.HasSuffix(name, ".") {
		return fmt.Errorf("recipe name %q; expected a letter or digit, then a-z, 0-9, \".\", \"_\" and \"-\"", shorten(name))
	}
	return nil
}

// SecretVariable is the variable with the version of a secret, by the secret's
// key in the compose file: "db_password" has SECRET_DB_PASSWORD_VERSION.
func SecretVariable(key string) string { return secretPrefix + variableName(key) + versionSuffix }

// ConfigVariable is the same for a config: "nginx_conf" has NGINX_CONF_VERSION.
func ConfigVariable(key string) string { return variableName(key) + versionSuffix }

// variableName is a key in upper case; "-" and ".", which keys may hold and
// variables may not, become "_".
func variableName(key string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(key))
}
