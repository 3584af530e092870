package registry

import (
	"cmp"
	"context"

	"github.com/google/go-containerregistry/pkg/name"
)

// DriftState is how what a registry says now compares with what was published.
type DriftState int

// The states of a Drift. The zero value is none of them.
const (
	// Unchanged: the tag names the digest that was published.
	Unchanged DriftState = iota + 1
	// Moved: the tag names another digest.
	Moved
	// Gone: the registry does not have the tag any more, or not the repository
	// (404). One that hides what does not exist answers 401 or 403, which is an
	// error and not Gone.
	Gone
)

var driftNames = map[DriftState]string{Unchanged: "unchanged", Moved: "moved", Gone: "gone"}

// String is the state in a word.
func (s DriftState) String() string { return driftNames[s] }

// Drift compares a published image with what the registry says now.
type Drift struct {
	State DriftState
	// Reference is the published one, without a digest.
	Reference string
	// Published is the digest that was published; Now is what the tag names, ""
	// when it is Gone.
	Published, Now string
	// Available tells whether the published digest can still be pulled from there.
	Available bool
	// Added and Removed are platforms by which a Moved image differs.
	Added, Removed []Platform
}

// Drifted is the answer about one image: Err, or else Drift.
type Drifted struct {
	Drift Drift
	Err   error
}

// Check asks what the tag of a published image names now. That is one HEAD when
// it is unchanged; a tag that moved or is gone costs another one for the
// published digest, and one that moved the GETs of Resolve. Answers that were
// learned are not used. Errors are as of Resolve, but what is not found is no
// error.
func (r *Resolver) Check(ctx context.Context, published Image) (Drift, error) {
	got := r.CheckAll(ctx, []Image{published}, nil)[0]
	return got.Drift, got.Err
}

// CheckAll is Check for many images, and answers in their order. A reference that
// was published with several digests is asked for once. Progress is as of
// ResolveAll, and counts distinct references.
func (r *Resolver) CheckAll(ctx context.Context, published []Image, progress func(done, total int)) []Drifted {
	refs := make([]string, len(published))
	same := map[string][]int{}
	for i, img := range published {
		refs[i] = img.checked()
		same[refs[i]] = append(same[refs[i]], i)
	}
	answers := make([]Drifted, len(published))
	r.each(ctx, refs, progress, func(ctx context.Context, key string, spellings []string) func() {
		var images []Image
		for _, ref := range spellings {
			for _, i := range same[ref] {
				images = append(images, published[i])
			}
		}
		drifts := r.checkOne(ctx, key, images)
		return func() {
			for _, ref := range spellings {
				for _, i := range same[ref] {
					answers[i], drifts = drifts[0], drifts[1:]
				}
			}
		}
	})
	return answers
}

// checked is what is asked about a published image: its tag, or its digest when
// it was published without one.
func (i Image) checked() string {
	if ref, err := ParseReference(i.Reference); err == nil && ref.Tag == "" {
		return i.Reference + "@" + i.Digest
	}
	return i.Reference
}

// checkOne compares images that were published under one reference.
func (r *Resolver) checkOne(ctx context.Context, key string, images []Image) []Drifted {
	answers := make([]Drifted, len(images))
	ref, repo, err := r.target(key)
	var now standing
	if err == nil {
		now, err = r.standing(ctx, repo, ref, images)
		err = explainIf(ctx, repo, ref, err)
	}
	for i, img := range images {
		pinned := ref
		pinned.Digest = img.Digest
		if img.Digest == "" {
			pinned.Tag = ""
		}
		if answers[i].Err = cmp.Or(err, pinned.check()); answers[i].Err != nil {
			continue
		}
		drift, err := r.compare(ctx, repo, ref, pinned, img, now)
		answers[i] = Drifted{drift, explainIf(ctx, repo, ref, err)}
	}
	return answers
}

// standing is what a tag names now: nothing when it is gone, and the facts only
// when it is not what all have published.
type standing struct {
	digest string
	facts  facts
}

func (r *Resolver) standing(ctx context.Context, repo name.Repository, ref Reference, images []Image) (standing, error) {
	digest, err := r.head(ctx, repo, ref)
	if missing(err) {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, err
	}
	moved := digest == ""
	for _, img := range images {
		moved = moved || img.Digest != digest
	}
	if !moved {
		return standing{digest: digest}, nil
	}
	if known, ok := r.cached(ctx, digest); ok {
		return standing{digest, known}, nil
	}
	got, err := r.fetch(ctx, repo, ref, digest)
	if missing(err) && digest == "" {
		return standing{}, nil
	}
	return standing(got), err
}

// compare holds one published image against what its tag names now.
func (r *Resolver) compare(ctx context.Context, repo name.Repository, ref, pinned Reference, img Image, now standing) (Drift, error) {
	drift := Drift{Reference: ref.tagged(), Published: img.Digest, Now: now.digest}
	if now.digest == img.Digest {
		drift.State, drift.Available = Unchanged, true
		return drift, nil
	}
	drift.State = Gone
	if now.digest != "" {
		drift.State = Moved
		drift.Added = without(now.facts.children, img.Children)
		drift.Removed = without(img.Children, now.facts.children)
	}
	if ref.Digest == img.Digest {
		return drift, nil // that was asked for
	}
	_, err := r.head(ctx, repo, pinned)
	drift.Available = err == nil
	if missing(err) {
		err = nil
	}
	return drift, err
}

// without lists the platforms of a that b has not.
func without(a, b []Child) []Platform {
	has := map[Platform]bool{}
	for _, child := range b {
		has[child.Platform.normal()] = true
	}
	var list []Platform
	for _, child := range a {
		if p := child.Platform.normal(); !has[p] {
			has[p] = true
			list = append(list, child.Platform)
		}
	}
	return list
}
