package rules

import "github.com/galley-coop/galley/lint"

var i415 = lint.Rule{
	ID: "I415", Name: "stale-digest",
	Summary:  "a digest is what its tag leads to",
	Severity: lint.Info,
	Check:    checkStaleDigest,
}

// checkStaleDigest leaves digests of a single platform to I412.
func checkStaleDigest(p *lint.Pass) {
	eachPinned(p, func(i image, tagged, pinned lint.ImageFacts) bool {
		if tagged.Digest == pinned.Digest || tagged.Index != pinned.Index {
			return false
		}
		i.reportDigest(p, tagged.Digest, "digest %q of service %q is not what tag %q leads to now, which is %s; expected the two to agree",
			pinned.Digest, i.service, i.tag, tagged.Digest)
		return true
	})
}
