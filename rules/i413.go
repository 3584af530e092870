package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var i413 = lint.Rule{
	ID: "I413", Name: "newer-tag",
	Summary:  "images are of the newest compatible version that the registry has",
	Severity: lint.Info,
	Check:    checkNewerTag,
}

func checkNewerTag(p *lint.Pass) {
	if p.World.Images == nil {
		p.Skip("offline: registries are not asked")
		return
	}
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		current, version := readTag(i.tag)
		if !ok || !version {
			return false
		}
		tags, err := p.World.Images.Tags(p.Context, ref.String())
		if err != nil {
			p.Skip(fmt.Sprintf("registries did not answer for %q: %s", ref.Familiar(), shorten(err.Error())))
			return false
		}
		best, newest := current, ""
		for _, tag := range tags {
			if candidate, ok := readTag(tag); ok && candidate.compatible(current) && candidate.compare(best) > 0 {
				best, newest = candidate, tag
			}
		}
		if newest == "" {
			return false
		}
		_, options := i.tagOrigin()
		options = append(options, i.fix(i.tagFrom, i.tagTo, newest, "take the newer version", false)...)
		p.Report(i.tagPlace(), fmt.Sprintf("tag %q of service %q is older than %q, which the registry has; expected the newest compatible version",
			i.tag, i.service, newest), options...)
		return true
	})
}

// tagVersion is a tag of two or three numbers.
type tagVersion struct {
	prefix, suffix string
	numbers        []int
}

// readTag reads tags that say more than a major version; ok is false for others.
func readTag(tag string) (v tagVersion, ok bool) {
	rest := strings.TrimPrefix(tag, "v")
	v.prefix = tag[:len(tag)-len(rest)]
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(rest)
	}
	v.suffix = rest[end:]
	for part := range strings.SplitSeq(rest[:end], ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return tagVersion{}, false
		}
		v.numbers = append(v.numbers, n)
	}
	return v, len(v.numbers) == 2 || len(v.numbers) == 3
}

// compatible tells whether a version may take the place of another: of the same
// form and flavour and, as semantic versioning has it, the same first number
// that is not zero.
func (v tagVersion) compatible(with tagVersion) bool {
	if v.prefix != with.prefix || v.suffix != with.suffix || len(v.numbers) != len(with.numbers) {
		return false
	}
	return v.numbers[0] == with.numbers[0] && (v.numbers[0] > 0 || v.numbers[1] == with.numbers[1])
}

func (v tagVersion) compare(other tagVersion) int {
	return slices.Compare(v.numbers, other.numbers)
}
