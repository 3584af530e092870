package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

// WorkTree is a recipe as it lies in somebody's folder: no catalogue has it, and
// nobody vouches for it.
type WorkTree struct {
	// Version is what a tag on the commit says, "" without one. The recipe's own
	// label wins.
	Version string
	// Commit is of the folder's repository, 40 hex digits; without a repository it
	// is a hash of the files.
	Commit string
	// Changed says that the folder is not what the commit has.
	Changed bool
}

// ID is what clients write into the label chaos-version: the first eight digits of
// the commit, and "+U" behind them when the folder holds something else.
func (w WorkTree) ID() string {
	id := w.Commit[:min(len(w.Commit), 8)]
	if w.Changed {
		id += "+U"
	}
	return id
}

// version is how the tree goes by wherever versions are shown. It is never a
// published version's name: "+U" makes it none.
func (w WorkTree) version(label string) string {
	return cmp.Or(label, w.Version, w.Commit[:min(len(w.Commit), 8)]) + "+U"
}

// labelled is the version that the recipe's own label gives, "" when that is none.
func (d *Desired) labelled() string {
	if len(d.Stack.Services) == 0 {
		return ""
	}
	label := d.Stack.Services[d.mainService()].Spec.Labels[clientLabel(d.Stack.Name, "version")]
	if _, err := recipe.ParseVersion(label); err != nil {
		return ""
	}
	return label
}

func (w WorkTree) reason() string { return "work tree " + w.ID() }

// Resolve asks what an image reference names now; registry.Resolver has it.
type Resolve func(ctx context.Context, reference string) (registry.Image, error)

// Distrust adds a reason why nobody vouches for the stack. It is told, and the
// stack carries it.
func (d *Desired) Distrust(reason string) {
	if slices.Contains(d.Unverified, reason) {
		return
	}
	d.Unverified = append(d.Unverified, reason)
	d.Warnings = append(d.Warnings, "unverified: "+reason)
	if len(d.Stack.Services) > 0 {
		d.Stack.Services[d.mainService()].Spec.Labels[LabelUnverified] = strings.Join(d.Unverified, "; ")
	}
}

// Unverified is what a current stack says of why nobody vouches for it, "" when
// somebody does.
func (s *Stack) Unverified() string {
	for _, name := range sortedKeys(s.Services) {
		if why := s.Services[name].Spec.Labels[LabelUnverified]; why != "" {
			return why
		}
	}
	return ""
}

// image is what a service's image is pinned to: the entry's digest, or where that
// is allowed what the reference names now. The error reads on after the image.
func (in Input) image(ctx context.Context, written string) (image *catalogue.Image, vouched bool, err error) {
	if in.Entry != nil {
		image, err = entryImage(in.Entry, written)
		if err == nil || in.Resolve == nil {
			return image, err == nil, err
		}
	}
	if in.Resolve == nil {
		return nil, false, fmt.Errorf("is not in a catalogue")
	}
	ref, err := registry.ParseReference(written)
	if err != nil {
		return nil, false, fmt.Errorf("is not valid: %w", err)
	}
	got, err := in.Resolve(ctx, ref.String())
	if err != nil {
		return nil, false, fmt.Errorf("cannot be resolved: %w", err)
	}
	resolved := catalogue.Image{Reference: got.Reference, Digest: got.Digest, MediaType: got.MediaType, Size: got.Size}
	for _, child := range got.Children {
		resolved.Platforms = append(resolved.Platforms, catalogue.Platform{
			Platform: child.Platform.String(), Manifest: child.Manifest, Config: child.Config,
		})
	}
	return &resolved, false, nil
}
