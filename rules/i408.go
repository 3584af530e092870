package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var i408 = lint.Rule{
	ID: "I408", Name: "platform-tag",
	Summary:  "images are named for all platforms, not for one",
	Severity: lint.Info,
	Check:    checkPlatformTag,
}

func checkPlatformTag(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok {
			return false
		}
		if ref.Domain == "docker.io" {
			if owner, name, _ := strings.Cut(ref.Path, "/"); slices.Contains(architectures, owner) {
				i.reportName(p, "image %q of service %q is %s for %s alone; expected %s, which is for every node", shorten(i.name()), i.service, name, owner, name)
				return true
			}
		}
		arch := tagArchitecture(i.tag)
		if arch == "" {
			return false
		}
		i.reportTag(p, "tag %q of service %q is for %s alone, and fails on other nodes; expected the tag without it, where the project has one", i.tag, i.service, arch)
		return true
	})
}

// architectures are the names that platforms go by in tags, and as owners of
// official images on Docker Hub.
var architectures = []string{
	"amd64", "x86_64", "x86-64", "i386", "arm64", "arm64v8", "aarch64", "arm32v5", "arm32v6", "arm32v7", "armv7", "armhf", "ppc64le", "s390x", "riscv64",
}

// tagArchitecture is the platform that a tag names first or last.
func tagArchitecture(tag string) string {
	lower := strings.ToLower(tag)
	for _, arch := range architectures {
		if lower == arch || strings.HasSuffix(lower, "-"+arch) || strings.HasPrefix(lower, arch+"-") {
			return arch
		}
	}
	return ""
}
