package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// imageRules are I401 to I415: what images are called, where they come from, and
// what registries say of them.
func imageRules() []lint.Rule {
	return []lint.Rule{
		i401, i402, i403, i404, i405, i406, i407, i408, i410, i411, i412, i413, i414, i415,
	}
}

// reference is the image as registries know it. ok is false when a variable that
// nobody gives a value has a say in it, and when it is no reference: R003 and
// R005 speak of those.
func (i image) reference() (ref registry.Reference, ok bool) {
	return i.ref, i.err == nil && !i.reading.guessed()
}

// nameParts are the bytes of the reading that the name without tag and digest is.
func (i image) nameParts() (from, to int) {
	name, _, _ := strings.Cut(i.reading.text, "@")
	if i.tag != "" {
		return 0, i.tagFrom - 1
	}
	return 0, len(name)
}

// report reports at a stretch of the image's text, the whole of it where the
// stretch cannot be followed to the file.
func (i image) report(p *lint.Pass, from, to int, message string, options ...lint.Option) {
	at := i.place()
	if rawFrom, rawTo, ok := i.reading.source(from, to); ok {
		at = i.node.Sub(rawFrom, rawTo)
	}
	p.Report(at, message, options...)
}

// fix replaces a stretch of the image's text, when it stands in the image line in
// one piece: a value from another file is for its own line to change.
func (i image) fix(from, to int, text, message string, safe bool) []lint.Option {
	parts := i.reading.covering(from, to)
	rawFrom, rawTo, ok := i.reading.source(from, to)
	if !ok || len(parts) != 1 || !parts[0].literal {
		return nil
	}
	at := i.node.Sub(rawFrom, rawTo)
	edit := lint.Edit{File: at.File, Start: at.Start, End: at.End, Text: text}
	return []lint.Option{lint.WithFix(lint.Fix{Message: message, Safe: safe, Edits: []lint.Edit{edit}})}
}

// reportAt is report with a format and no options.
func (i image) reportAt(p *lint.Pass, from, to int, format string, args ...any) {
	i.report(p, from, to, fmt.Sprintf(format, args...))
}

// reportName reports at the image's name.
func (i image) reportName(p *lint.Pass, format string, args ...any) {
	from, to := i.nameParts()
	i.reportAt(p, from, to, format, args...)
}

// reportTag reports at the image's tag.
func (i image) reportTag(p *lint.Pass, format string, args ...any) {
	_, options := i.tagOrigin()
	p.Report(i.tagPlace(), fmt.Sprintf(format, args...), options...)
}

// name is the image's name as it is read, without tag and digest.
func (i image) name() string {
	from, to := i.nameParts()
	return i.reading.text[from:to]
}

// eachAnswer asks registries for every image with a tag or a digest, and calls
// use with what they say, or with no facts for an image that they do not have.
// An image that nobody answered for is skipped, and said so.
func eachAnswer(p *lint.Pass, use func(i image, ref registry.Reference, facts *lint.ImageFacts) (reported bool)) {
	if p.World.Images == nil {
		p.Skip("offline: registries are not asked")
		return
	}
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok || ref.Tag == "" && ref.Digest == "" {
			return false
		}
		facts, ok := ask(p, ref)
		if !ok {
			return false
		}
		return use(i, ref, facts)
	})
}

// ask asks for one reference. The facts are nil for an image that is not there;
// ok is false when the registry did not say.
func ask(p *lint.Pass, ref registry.Reference) (facts *lint.ImageFacts, ok bool) {
	answer, err := p.World.Images.Image(p.Context, ref.String())
	switch {
	case errors.Is(err, lint.ErrNoImage):
		return nil, true
	case err != nil:
		p.Skip(fmt.Sprintf("registries did not answer for %q: %s", ref.Familiar(), shorten(err.Error())))
		return nil, false
	}
	return &answer, true
}

// shortDigest is a digest as people compare it: its algorithm and first digits.
func shortDigest(digest string) string {
	if len(digest) > 19 {
		return digest[:19] + "…"
	}
	return digest
}
