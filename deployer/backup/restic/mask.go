package restic

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// mask takes credentials out of texts.
type mask struct{ secrets []string }

// userinfo is what stands before the host of any URL in a text: of HTTP a name alone
// may be a token.
var userinfo = regexp.MustCompile(`(://)[^/@\s"]*:[^@\s"]*@|(https?://)[^/@\s"]+@`)

// secretName are variables that backends have credentials in. Files and commands
// are no secrets themselves.
var secretName = regexp.MustCompile(`^(AWS|B2|AZURE|OS|ST|GOOGLE|RCLONE|RESTIC)_.*(KEY|SECRET|TOKEN|PASS|SAS|CREDENTIAL|AUTH)`)

const shortest = 4 // of a secret that is looked for in texts

// newMask knows the credentials in a repository's URL and in an environment.
func newMask(location string, env []string) mask {
	var m mask
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if secretName.MatchString(name) && !strings.HasSuffix(name, "_FILE") && !strings.HasSuffix(name, "_COMMAND") && !strings.HasPrefix(value, "/") {
			m.add(value)
		}
	}
	if _, info, ok := strings.Cut(location, "://"); ok {
		host, _, _ := strings.Cut(info, "/")
		if at := strings.LastIndex(host, "@"); at >= 0 {
			if _, password, ok := strings.Cut(host[:at], ":"); ok {
				m.add(password)
				if clear, err := url.PathUnescape(password); err == nil {
					m.add(clear)
				}
			}
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) }) // one may be part of another
	return m
}

func (m *mask) add(secret string) {
	if len(secret) >= shortest {
		m.secrets = append(m.secrets, secret)
	}
}

// text is s without credentials, and not longer than an error should be.
func (m mask) text(s string) string {
	for _, secret := range m.secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return clip(userinfo.ReplaceAllString(s, "$1$2***@"))
}
