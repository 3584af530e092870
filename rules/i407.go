package rules

import (
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var i407 = lint.Rule{
	ID: "I407", Name: "end-of-life",
	Summary:  "no image is of a version that gets no security fixes any more",
	Severity: lint.Warning,
	Check:    checkEndOfLife,
}

func checkEndOfLife(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok {
			return false
		}
		major, minor, ok := firstNumbers(i.tag)
		if !ok {
			return false
		}
		for _, line := range endOfLife[ref.Name()] {
			if major < line.major || major == line.major && (line.minor == all || minor >= 0 && minor <= line.minor) {
				i.reportTag(p, "tag %q of service %q is of a version whose support ended in %s or before; expected %s or newer", i.tag, i.service, line.since, line.next)
				return true
			}
		}
		return false
	})
}

// ended says of a product which version was the last to lose its support, and
// when: all before it lost theirs earlier.
type ended struct {
	major, minor int
	since, next  string
}

// all stands for every minor version.
const all = 1 << 16

// endOfLife are dates that the projects announced, all of them past.
var endOfLife = map[string][]ended{
	"docker.io/library/postgres":      {{14, all, "November 2026", "15"}},
	"docker.io/library/mysql":         {{5, all, "October 2023", "8.4"}, {8, 0, "April 2026", "8.4"}},
	"docker.io/library/mariadb":       {{10, 5, "June 2025", "10.11"}, {10, 6, "July 2026", "10.11"}},
	"docker.io/library/mongo":         {{6, all, "July 2025", "7"}},
	"docker.io/library/node":          {{20, all, "April 2026", "22"}},
	"docker.io/library/php":           {{8, 1, "December 2025", "8.2"}},
	"docker.io/library/python":        {{3, 10, "October 2026", "3.11"}},
	"docker.io/library/ruby":          {{3, 2, "March 2026", "3.3"}},
	"docker.io/library/elasticsearch": {{7, all, "January 2026", "8"}},
	"docker.io/library/redis":         {{5, all, "April 2022", "7.2"}},
	"docker.io/library/debian":        {{11, all, "August 2026", "12"}},
	"docker.io/library/traefik":       {{1, all, "December 2021", "2"}},
}

// firstNumbers reads the first two numbers of a tag; minor is -1 without one.
func firstNumbers(tag string) (major, minor int, ok bool) {
	version, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
	first, rest, dotted := strings.Cut(version, ".")
	major, err := strconv.Atoi(first)
	if err != nil || major < 0 || major > 999 {
		return 0, 0, false
	}
	if !dotted {
		return major, -1, true
	}
	second, _, _ := strings.Cut(rest, ".")
	minor, err = strconv.Atoi(second)
	return major, minor, err == nil
}
