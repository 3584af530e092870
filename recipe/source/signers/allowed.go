package signers

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// allowed is one line of an allowed_signers file (ssh-keygen(1), "ALLOWED SIGNERS").
type allowed struct {
	principals    string
	key           ssh.PublicKey
	namespaces    string    // patterns; "" is every namespace
	after, before time.Time // zero is no limit
}

// parseAllowed reads lines of: principals [options] key-type base64-key [comment].
func parseAllowed(name string, data []byte) ([]allowed, error) {
	var list []allowed
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxFile)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		a, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		list = append(list, a)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: it lists no key; expected lines as of ssh-keygen's allowed signers, or an armored OpenPGP key", name)
	}
	return list, nil
}

func parseLine(line string) (allowed, error) {
	principals, rest, err := firstWord(line)
	if err != nil {
		return allowed{}, err
	}
	a := allowed{principals: clean(principals)}
	var options []string
	if a.key, _, options, _, err = ssh.ParseAuthorizedKey([]byte(rest)); err != nil {
		return allowed{}, fmt.Errorf("%q has no public key; expected principals, options, the key's type and the key", clean(principals))
	}
	if err := acceptable(a.key); err != nil {
		return allowed{}, fmt.Errorf("the key of %q: %w", a.principals, err)
	}
	for _, option := range options {
		if err := a.option(option); err != nil {
			return allowed{}, err
		}
	}
	return a, nil
}

// firstWord is the principals, which may be quoted.
func firstWord(line string) (word, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		word, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", "", fmt.Errorf("a quote is not closed")
		}
		return word, strings.TrimSpace(rest), nil
	}
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return "", "", fmt.Errorf("%q has no public key; expected principals, options, the key's type and the key", clean(line))
	}
	return line[:end], strings.TrimSpace(line[end:]), nil
}

func (a *allowed) option(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	value = strings.Trim(value, `"`)
	switch strings.ToLower(name) {
	case "namespaces":
		a.namespaces = value
	case "valid-after":
		a.after, err = parseTime(value)
	case "valid-before":
		a.before, err = parseTime(value)
	case "cert-authority":
		err = fmt.Errorf("cert-authority is not supported; list the keys that sign")
	default:
		err = fmt.Errorf("option %q; expected namespaces, valid-after or valid-before", clean(name))
	}
	return err
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z]. Without Z, ssh-keygen means its own time
// zone; here it is UTC always, so that where a build runs makes no difference.
func parseTime(text string) (time.Time, error) {
	digits := strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) != len(layout) {
			continue
		}
		if t, err := time.Parse(layout, digits); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("date %q; expected YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS", clean(text))
}

// permits says why the line does not allow a tag of that date, nil when it does.
func (a allowed) permits(date time.Time) error {
	fingerprint := ssh.FingerprintSHA256(a.key)
	switch {
	case a.namespaces != "" && !matches(a.namespaces, namespace):
		return fmt.Errorf("%w: the key %s is listed for %q, not for git", ErrNotAllowed, fingerprint, clean(a.namespaces))
	case a.after.IsZero() && a.before.IsZero():
		return nil
	case date.IsZero():
		return fmt.Errorf("%w: the key %s is listed for a time, and the tag has no date", ErrNotAllowed, fingerprint)
	case !a.after.IsZero() && date.Before(a.after):
		return fmt.Errorf("%w: the key %s is valid after %s, the tag is of %s", ErrNotAllowed, fingerprint, day(a.after), day(date))
	case !a.before.IsZero() && date.After(a.before):
		return fmt.Errorf("%w: the key %s is valid before %s, the tag is of %s", ErrNotAllowed, fingerprint, day(a.before), day(date))
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// matches reads a pattern list (ssh_config(5), PATTERNS): commas, "*", "?", and
// "!" for what must not match.
func matches(patterns, text string) bool {
	found := false
	for pattern := range strings.SplitSeq(patterns, ",") {
		pattern, negated := strings.CutPrefix(strings.TrimSpace(pattern), "!")
		if !glob(pattern, text) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// glob matches without going back further than the last "*", so that its time is
// bounded by the product of the lengths.
func glob(pattern, text string) bool {
	star, resume := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
