package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source/signers"
)

// Version is one tag of a recipe's repository.
type Version struct {
	Name      string         // the tag's name, without refs/tags/
	Tag       string         // hash of the tag object, "" when the tag is lightweight
	Commit    string         // hash of the commit, "" when Err says that there is none
	Annotated bool           // a release is an annotated tag; a lightweight one is a defect
	Date      time.Time      // UTC; when it was tagged, else committed; zero when git's date is no date
	Tagger    Person         // zero when the tag is lightweight or names nobody
	Message   string         // the tag's message without its signature and outer blank lines, "" when lightweight
	Signature string         // kind of the tag's signature, as package signers names it; "" when unsigned. VerifyTag says whether it is good
	Parsed    recipe.Version // zero (App is "") when Name is not a version
	Err       error          // why the tag cannot be used: no commit behind it, unreadable objects
}

// Person is who made a tag, as git recorded it: nothing proves it.
type Person struct {
	Name, Email string
}

// Versions lists every tag: those whose names are versions first, ascending, then
// the others by name. A repository without tags gives none and no error; a tag
// that cannot be used is in the list, with its reason.
func (r *Repository) Versions(ctx context.Context) ([]Version, error) {
	var parsed, others []Version
	for name := range r.refs {
		if !name.IsTag() {
			continue
		}
		v := r.version(ctx, tagName(name))
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading the versions of %q: %w", r.source, err)
		}
		var err error
		if v.Parsed, err = recipe.ParseVersion(v.Name); err != nil {
			v.Parsed = recipe.Version{}
			others = append(others, v)
			continue
		}
		parsed = append(parsed, v)
	}
	slices.SortFunc(parsed, func(a, b Version) int {
		return cmp.Or(a.Parsed.Compare(b.Parsed), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(others, func(a, b Version) int { return strings.Compare(a.Name, b.Name) })
	return append(parsed, others...), nil
}

func (r *Repository) version(ctx context.Context, name string) Version {
	v := Version{Name: name}
	hash, ok := r.lookup(plumbing.NewTagReferenceName(name))
	if !ok {
		v.Err = fmt.Errorf("tag %q leads to a ref that does not exist", name)
		return v
	}
	p, err := r.peel(ctx, hash)
	if p.tag != nil {
		v.Annotated, v.Tag = true, p.tag.Hash.String()
		v.Date = utc(p.tag.Tagger)
		v.Tagger = Person{Name: text(p.tag.Tagger.Name), Email: text(p.tag.Tagger.Email)}
		v.Message = strings.TrimSpace(text(p.tag.Message))
		v.Signature = signers.KindOf(p.raw)
	}
	if err != nil {
		v.Err = fmt.Errorf("tag %q: %w", name, err)
		return v
	}
	v.Commit = p.commit.Hash.String()
	if v.Date.IsZero() {
		v.Date = utc(p.commit.Committer)
	}
	return v
}

// VerifyTag says who signed the tag of that name, whose object has the hash tag
// (Version.Tag): one of the allowed signers, over that object's very bytes, with
// this name in them. Otherwise the error is fault.Refused and one of
// signers.ErrUnsigned, signers.ErrInvalid and signers.ErrNotAllowed. A
// lightweight tag, whose hash is "", is unsigned.
func (r *Repository) VerifyTag(ctx context.Context, name, tag string, allowed *signers.Signers) (signers.Signer, error) {
	failed := func(err error) (signers.Signer, error) {
		return signers.Signer{}, fmt.Errorf("verifying the signature of tag %q: %w", name, err)
	}
	if tag == "" {
		return failed(fault.New(fault.Refused, "%w: it is a lightweight tag", signers.ErrUnsigned))
	}
	if err := ctx.Err(); err != nil {
		return failed(err)
	}
	if !fullHash.MatchString(tag) {
		return failed(fmt.Errorf("tag object %q: expected 40 hexadecimal digits", tag))
	}
	obj, err := r.read(plumbing.NewHash(tag), limitText)
	if err != nil {
		return failed(err)
	}
	if obj.Type() != plumbing.TagObject {
		return failed(fault.New(fault.Refused, "%w: it is a lightweight tag of a %s", signers.ErrUnsigned, obj.Type()))
	}
	raw, err := content(obj)
	if err != nil {
		return failed(err)
	}
	signer, err := allowed.Verify(name, raw)
	if err != nil {
		return failed(err)
	}
	return signer, nil
}

// utc is a signature's time, or zero for one that nobody set or that formats
// with four-digit years (RFC 3339) cannot show.
func utc(s object.Signature) time.Time {
	if s.When.Unix() <= 0 || s.When.UTC().Year() > 9999 {
		return time.Time{}
	}
	return s.When.UTC()
}

// text makes bytes that git does not check fit for JSON.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
