package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

// Input is what a wanted stack is made from. The recipe was read from the
// bundle that the entry names, and both were verified; here they are believed.
type Input struct {
	App    App
	Recipe *recipe.Recipe
	Entry  *catalogue.Entry
	// WorkTree takes the entry's place for a recipe that no catalogue has; Resolve
	// is needed then.
	WorkTree *WorkTree
	// Resolve pins images that the entry does not name to what they name now; each
	// is a reason in Unverified. nil refuses them.
	Resolve Resolve
	// Unverified are further reasons why nobody vouches for the stack.
	Unverified []string
}

// LabelEntry names the catalogue entry a stack was deployed from: the sha256 of
// its file in the catalogue. It stands on the service that carries the clients' labels.
const LabelEntry = "galley.entry"

// LabelUnverified says on the same service why nobody vouches for what runs; it is
// not there when somebody does.
const LabelUnverified = "galley.unverified"

// LabelScale keeps, on a service that an operator scaled, the number of replicas
// that deploys leave it at.
const LabelScale = "galley.scale"

// LabelImage is where docker keeps the image as the compose file writes it.
const LabelImage = "com.docker.stack.image"

// clientLabel is a label that clients of recipes write at a deploy and others
// read: what is "recipe", "version", "chaos" or "timeout".
func clientLabel(stack, what string) string { return "coop-cloud." + stack + "." + what }

// Desired is a wanted stack with what is known about it.
type Desired struct {
	Stack   *Stack
	Domain  string // the app's
	Recipe  string
	Version string
	// EntryDigest is the sha256, 64 hex digits, of the entry's file; the stack
	// carries it as LabelEntry.
	EntryDigest string
	// Secrets are those the services use, by name. They must exist before a deploy.
	Secrets []SecretSpec
	// Images are what the entry says of each service's image, by the service's
	// full name.
	Images map[string]catalogue.Image
	// DependsOn orders the deploy: full names of services, by full name.
	DependsOn map[string][]string
	// Timeout is how long the recipe allows for converging, 0 when it does not say.
	Timeout time.Duration
	// Unverified are the reasons why nobody vouches for this stack, one line each:
	// a work tree, an image that the entry does not name. The stack carries them as
	// LabelUnverified and the history keeps them; none for a verified entry.
	Unverified []string
	// Restart are the services, by full name, whose tasks are to be replaced even
	// when nothing of them changes.
	Restart map[string]bool
	// Warnings are what swarm ignores and what looks like a mistake, one line each.
	Warnings []string
	// Notes are release notes that a plan may show: those in the bundle, and for
	// a way back those of the version that is left.
	Notes []recipe.Note

	// derived are the configs without a name of their own, by the name they have as
	// long as it is free.
	derived  []string
	mask     masker
	unscaled map[string]bool   // services whose LabelScale is to go, by full name
	env      map[string]string // what the model was interpolated with
}

// NewDesired makes the stack that an app wants at an entry's version. It reads
// the env file and the recipe's files, and nothing else: no engine is asked.
//
// It refuses an image that the entry does not name, and says of everything else
// that is wrong all at once: variables without a value, names a swarm would not
// take, files that are missing, keys that cannot be honoured safely.
func NewDesired(ctx context.Context, in Input) (*Desired, error) {
	model, err := loadModel(ctx, in.App, in.Recipe)
	if err != nil {
		return nil, err
	}
	converted, err := convert(model.project, in.App.Stack, model.env, in.Recipe)
	if err != nil {
		return nil, fmt.Errorf("converting %s: %w", strings.Join(model.files, ", "), err)
	}
	d := &Desired{
		Stack: converted.stack, Domain: in.App.Domain, Recipe: in.App.Recipe,
		Secrets:   secretSpecs(model.project, in.App, in.Recipe.Sample),
		Images:    map[string]catalogue.Image{},
		DependsOn: converted.dependsOn, derived: converted.derived, Notes: in.Recipe.Notes,
		Warnings: append(unsetWarnings(in.App, in.Recipe), converted.warnings...),
	}
	d.env = model.env
	for name, value := range model.env {
		d.mask.learn(name, value)
	}
	if in.WorkTree != nil {
		d.Version = in.WorkTree.version(d.labelled())
		d.Distrust(in.WorkTree.reason())
	} else {
		d.Version = in.Entry.Version
		if d.EntryDigest, err = in.Entry.SHA256(); err != nil {
			return nil, err
		}
	}
	for _, reason := range in.Unverified {
		d.Distrust(reason)
	}
	if err := d.pin(ctx, in); err != nil {
		return nil, err
	}
	d.mark(in.WorkTree)
	return d, nil
}

// model is a merged compose model with what it was made from.
type model struct {
	project *types.Project
	env     map[string]string
	files   []string
}

func loadModel(ctx context.Context, app App, r *recipe.Recipe) (*model, error) {
	values, err := app.Environ()
	if err != nil {
		return nil, err
	}
	m := &model{env: r.Environment(values, app.Stack), files: app.composeFiles(r)}
	if err := undefined(app, r.Undefined(m.files, m.env)); err != nil {
		return nil, err
	}
	if m.project, err = r.Model(ctx, recipe.ModelOptions{Files: m.files, Env: m.env}); err != nil {
		return nil, err
	}
	if len(m.files) == 0 && r.Base != nil {
		m.files = []string{r.Base.Text.Path}
	}
	return m, nil
}

// undefined is the error for variables that would silently be empty.
func undefined(app App, uses []recipe.Use) error {
	if len(uses) == 0 {
		return nil
	}
	var says, names []string
	for _, use := range uses {
		name := use.Variable.Name
		if !slices.Contains(names, name) {
			names = append(names, name)
			says = append(says, fmt.Sprintf("variable %s is used at %s:%d:%d and has no value in %s",
				name, use.Range.File, use.Range.Start.Line, use.Range.Start.Column, app.Path))
		}
	}
	err := fault.New(fault.Unavailable, "%s", strings.Join(says, "; "))
	return fault.Hint(err, "add %s= to the env file, or have the recipe declare it in %s, commented out when it is optional",
		strings.Join(names, "=, "), recipe.SampleName)
}

// unsetWarnings name what the sample sets and the app's env file does not: an
// env file that is older than the recipe's version.
func unsetWarnings(app App, r *recipe.Recipe) []string {
	warnings := []string{}
	if r.Sample == nil {
		return warnings
	}
	seen := map[string]bool{"TYPE": true, "RECIPE": true}
	for _, v := range r.Sample.Vars() {
		if !v.Commented && !seen[v.Name] && !app.Env.Declared(v.Name) {
			warnings = append(warnings, fmt.Sprintf("variable %s is in the recipe's %s and not in %s", v.Name, recipe.SampleName, app.Path))
		}
		seen[v.Name] = true
	}
	return warnings
}

// pin puts the entry's digest behind every image and its platforms into the
// placement, so that no task is given to a node that cannot run it.
func (d *Desired) pin(ctx context.Context, in Input) error {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(d.Stack.Services)) {
		service := d.Stack.Services[name]
		container := service.Spec.TaskTemplate.ContainerSpec
		image, vouched, err := in.image(ctx, container.Image)
		if err != nil {
			missing = append(missing, fmt.Sprintf("image %q of service %q %v", container.Image, name, err))
			continue
		}
		if !vouched && in.WorkTree == nil {
			d.Distrust("image " + image.Reference + " is not the entry's")
		}
		written, _, _ := strings.Cut(container.Image, "@")
		container.Image = written + "@" + image.Digest
		if platforms := placementPlatforms(*image); len(platforms) > 0 {
			if service.Spec.TaskTemplate.Placement == nil {
				service.Spec.TaskTemplate.Placement = &swarm.Placement{}
			}
			service.Spec.TaskTemplate.Placement.Platforms = platforms
		}
		d.Images[name], d.Stack.Services[name] = *image, service
	}
	if len(missing) == 0 {
		return nil
	}
	if in.Resolve != nil {
		err := fault.New(fault.Unavailable, "%s", strings.Join(missing, "; "))
		return fault.Hint(err, "check the image's name, the network, and docker login")
	}
	err := fault.New(fault.Refused, "%s", strings.Join(missing, "; "))
	return fault.Hint(err, "a variable of the env file may change the image; the entry vouches for those of the recipe's sample; --allow-unverified takes what the image's name stands for now")
}

// entryImage finds the entry's image for a reference as it is written.
func entryImage(entry *catalogue.Entry, written string) (*catalogue.Image, error) {
	ref, err := registry.ParseReference(written)
	if err != nil {
		return nil, fmt.Errorf("is not valid: %w", err)
	}
	image := entry.Image(ref.String())
	if image == nil && ref.Digest != "" {
		bare := ref
		bare.Digest = ""
		image = entry.Image(bare.String())
	}
	switch {
	case image == nil:
		return nil, fmt.Errorf("is not in the catalogue entry of version %s", entry.Version)
	case ref.Digest != "" && ref.Digest != image.Digest:
		return nil, fmt.Errorf("has another digest than the catalogue entry, %s", image.Digest)
	case !strings.HasPrefix(image.Digest, "sha256:"):
		return nil, fmt.Errorf("has the digest %q in the catalogue entry; expected sha256:…", image.Digest)
	}
	return image, nil
}

// placementPlatforms are an image's platforms as swarm's scheduler takes them.
// For 32-bit arm the architecture stays open: nodes report the machine's name
// ("armv7l") and images the family, so naming it would fit no node.
func placementPlatforms(image catalogue.Image) []swarm.Platform {
	var platforms []swarm.Platform
	for _, p := range image.Platforms {
		parts := strings.Split(p.Platform, "/")
		if len(parts) < 2 || parts[0] == "unknown" {
			continue
		}
		platform := swarm.Platform{OS: parts[0], Architecture: parts[1]}
		if platform.Architecture == "arm" {
			platform.Architecture = ""
		}
		if !slices.Contains(platforms, platform) {
			platforms = append(platforms, platform)
		}
	}
	return platforms
}

// mainService carries the clients' labels: "app", or in a stack without one the
// first by name.
func (d *Desired) mainService() string {
	if _, ok := d.Stack.Services[d.Stack.Name+"_app"]; ok {
		return d.Stack.Name + "_app"
	}
	return slices.Min(slices.Collect(maps.Keys(d.Stack.Services)))
}

// mark writes the labels that clients read, and reads the recipe's timeout.
func (d *Desired) mark(tree *WorkTree) {
	if len(d.Stack.Services) == 0 {
		return
	}
	labels := d.Stack.Services[d.mainService()].Spec.Labels
	labels[clientLabel(d.Stack.Name, "recipe")] = d.Recipe
	labels[clientLabel(d.Stack.Name, "version")] = d.Version
	labels[clientLabel(d.Stack.Name, "chaos")] = "false"
	if tree != nil {
		labels[clientLabel(d.Stack.Name, "chaos")] = "true"
		labels[clientLabel(d.Stack.Name, "chaos-version")] = tree.ID()
	} else {
		labels[LabelEntry] = d.EntryDigest
	}
	key := clientLabel(d.Stack.Name, "timeout")
	text, ok := labels[key]
	if !ok || text == "" {
		return
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > 24*60*60 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("label %s is %q; expected seconds, so the default holds", key, text))
		return
	}
	d.Timeout = time.Duration(seconds) * time.Second
}
