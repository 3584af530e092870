package rules

import "github.com/galley-coop/galley/lint"

var i405 = lint.Rule{
	ID: "I405", Name: "no-digest",
	Summary:  "images are pinned by digest",
	Severity: lint.Info,
	Off:      true,
	Check:    checkNoDigest,
}

func checkNoDigest(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok || ref.Tag == "" || ref.Digest != "" {
			return false
		}
		i.reportTag(p, "tag %q of service %q has no digest beside it, and may be moved; expected %s:%s@sha256:…", i.tag, i.service, shorten(i.name()), i.tag)
		return true
	})
}
