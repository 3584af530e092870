package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var i412 = lint.Rule{
	ID: "I412", Name: "platform-pinned",
	Summary:  "digests pin the index of an image, not the image of one platform",
	Severity: lint.Warning,
	Check:    checkPlatformPinned,
}

func checkPlatformPinned(p *lint.Pass) {
	eachPinned(p, func(i image, tagged, pinned lint.ImageFacts) bool {
		if pinned.Index || !tagged.Index {
			return false
		}
		i.reportDigest(p, tagged.Digest, "digest %q of service %q is the image of one platform, and fails on other nodes; expected %s, the index of tag %q",
			pinned.Digest, i.service, tagged.Digest, i.tag)
		return true
	})
}

// eachPinned asks for images with a tag and a digest, once by each.
func eachPinned(p *lint.Pass, use func(i image, tagged, pinned lint.ImageFacts) (reported bool)) {
	eachAnswer(p, func(i image, ref registry.Reference, pinned *lint.ImageFacts) bool {
		if pinned == nil || ref.Tag == "" || ref.Digest == "" {
			return false
		}
		ref.Digest = ""
		tagged, ok := ask(p, ref)
		if !ok || tagged == nil {
			return false
		}
		return use(i, *tagged, *pinned)
	})
}

// reportDigest reports at the image's digest, with another as the fix.
func (i image) reportDigest(p *lint.Pass, better, format string, args ...any) {
	from, to := strings.IndexByte(i.reading.text, '@')+1, len(i.reading.text)
	i.report(p, from, to, fmt.Sprintf(format, args...), i.fix(from, to, better, "take the digest of the tag", false)...)
}
