package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// TagClass is what an image tag's text promises, for R004 and R005. It looks
// at the name alone: whether a registry moves the tag is another question.
type TagClass struct {
	// SemverLike: the tag starts with one version of one to three numbers, a "v"
	// allowed before it and a flavour behind it: 5, v1.0.2, 6-alpine.
	SemverLike bool
	// Unstable: the tag names a channel or a branch, and what it points to moves.
	Unstable bool
	// Reason is why the tag is unstable, else why it is not semver-like, "" when
	// it is fine. It reads on after "tag %q ".
	Reason string
}

// movingNames are branches and build channels. They move even beside a version:
// of the tags seen in real compose files 12.0-latest, 13-master and
// alpine-7.4-latest are rebuilt under the same name. Only what pins one build
// makes them stand still: a number behind the word (nightly-20240101, dev.5,
// main-1234), a date, a commit (main-2026.06.03-sha-0bca601).
var movingNames = []string{
	"canary", "daily", "dev", "devel", "develop", "development", "edge", "experimental", "head", "insiders",
	"latest", "main", "mainline", "master", "next", "nightly", "rolling", "snapshot", "staging", "testing",
	"tip", "trunk", "unstable", "weekly",
}

// channelNames are release channels. Alone, or with a mere flavour, they move:
// stable, release, lts, stable-alpine. Beside a version they describe it:
// stable-v0.35.5, v1.9.0-beta and 0.1.0-rc.1 are as fixed as any version is.
var channelNames = []string{
	"alpha", "beta", "current", "lts", "preview", "prod", "production", "rc", "release", "stable",
}

// UnstableTagNames lists the words that make a tag unstable, sorted.
func UnstableTagNames() []string {
	names := slices.Concat(movingNames, channelNames)
	slices.Sort(names)
	return names
}

var (
	semverLike = regexp.MustCompile(`^v?\d+(?:\.\d+){0,2}(?:[-_]([A-Za-z0-9._-]+))?$`)
	fourParts  = regexp.MustCompile(`^v?\d+(?:\.\d+){3,}(?:[-_]|$)`)
	commitLike = regexp.MustCompile(`^[a-f0-9]{7,40}$`)
	// A second version: one of its own (17-3.5, tctl-1.18.1), or three numbers
	// glued to a name (vectorchord0.4.3). alpine3.13 and python3.12 are flavours.
	bareVersion  = regexp.MustCompile(`(?:^|[-_])v?\d+\.\d+`)
	gluedVersion = regexp.MustCompile(`[A-Za-z]\d+\.\d+\.\d+`)

	versioned   = regexp.MustCompile(`(?:^|[-_])v?\d`) // not the 20 of alpine3.20
	date        = regexp.MustCompile(`(?:^|[^0-9])20\d\d[-.]?(?:0[1-9]|1[0-2])[-.]?(?:0[1-9]|[12]\d|3[01])(?:[^0-9]|$)`)
	startsVer   = regexp.MustCompile(`^v?\d`)
	tagSplitter = regexp.MustCompile(`[-_.]`)
)

// ClassifyTag classes an image's tag. A tag with a variable in it is not
// semver-like; whoever knows the variable's value asks again with that.
func ClassifyTag(tag string) TagClass {
	if name := unstableName(tag); name != "" {
		c := TagClass{Unstable: true, SemverLike: notSemverLike(tag) == ""}
		if c.Reason = fmt.Sprintf("says %q, which moves", name); strings.EqualFold(name, tag) {
			c.Reason = "moves"
		}
		return c
	}
	reason := notSemverLike(tag)
	return TagClass{SemverLike: reason == "", Reason: reason}
}

// unstableName is the word that makes a tag unstable, "" without one.
func unstableName(tag string) string {
	words := tagSplitter.Split(strings.ToLower(tag), -1)
	pinned := date.MatchString(tag) || slices.ContainsFunc(words, isCommit)
	for i, word := range words {
		counted := i+1 < len(words) && startsVer.MatchString(words[i+1])
		switch {
		case pinned:
		case slices.Contains(movingNames, word) && (word == "latest" || !counted):
			return word
		case slices.Contains(channelNames, word) && !counted && !versioned.MatchString(tag):
			return word
		}
	}
	return ""
}

// isCommit asks for a digit too: "defaced" and "acceded" are words.
func isCommit(word string) bool {
	word = strings.TrimPrefix(word, "g") // git describe writes v1.8.0-2-g585ea34
	return commitLike.MatchString(word) && strings.ContainsAny(word, "0123456789")
}

// notSemverLike says why a tag is not semver-like, "" when it is.
func notSemverLike(tag string) string {
	parts := semverLike.FindStringSubmatch(tag)
	switch {
	case tag == "":
		return "is empty"
	case strings.Contains(tag, "$"):
		return "holds a variable"
	case commitLike.MatchString(tag):
		return "looks like a commit"
	case fourParts.MatchString(tag):
		return "has a version of more than three numbers"
	case parts == nil && !strings.ContainsAny(tag, "0123456789"):
		return "has no version"
	case parts == nil:
		return "does not start with a version of one to three numbers"
	case bareVersion.MatchString(parts[1]) || gluedVersion.MatchString(parts[1]):
		return "holds several versions"
	}
	return ""
}
