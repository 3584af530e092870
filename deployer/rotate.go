package deployer

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// labelRotates names, on a secret that a rotation made, the one it replaces. While
// both are there the rotation has not ended: a later one finds it by this.
const labelRotates = "galley.rotates"

// Rotation is a change of secrets to new versions. It goes in this order, so that
// whatever it is killed at can be gone on from:
//
//  1. the new secrets are made, each with a label that names the old one: nothing
//     uses them yet, and a later rotation removes or takes them;
//  2. the env file is raised: from here on every deploy of the app goes to the new ones;
//  3. the stack is deployed, and put back if that fails, with the env file;
//  4. the old secrets are removed.
type Rotation struct {
	// App is the app with its env file raised in memory.
	App App
	// Secrets are what is rotated.
	Secrets []RotatedSecret

	before []byte // the env file as it was read
}

// RotatedSecret is one secret on its way to a new version.
type RotatedSecret struct {
	Key      string `json:"key"`
	Old      string `json:"old"` // names on the swarm
	New      string `json:"new"`
	Variable string `json:"variable"` // SECRET_…_VERSION
	From     string `json:"from"`     // versions
	To       string `json:"to"`
	// Resumes says that New was made by a rotation that did not end, and is taken.
	Resumes bool `json:"resumes"`

	spec     SecretSpec
	leftover string   // ID of a secret called New that nothing uses and nobody wants
	retire   []string // names, the youngest first
	made     bool
}

// countedVersion is a version that can be raised.
var countedVersion = regexp.MustCompile(`^(.*?)(\d{1,9})$`)

// PlanRotation works out new versions for some of an app's secrets, named by key or
// name, and writes nothing. desired is what runs now by the env file as it is. fresh
// asks for values of this call's own: one that an interrupted rotation made is not
// taken then.
//
// A secret that is not the stack's, that has no SECRET_…_VERSION, or whose version
// has no number at its end, is an error.
func (e *Engine) PlanRotation(ctx context.Context, app App, desired *Desired, keys []string, fresh bool) (*Rotation, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := e.api.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the secrets: %w", err)
	}
	have := map[string]swarm.Secret{}
	for _, s := range listed {
		have[s.Spec.Name] = s
	}
	current, err := e.Current(ctx, app.Stack, nil)
	if err != nil {
		return nil, err
	}
	raised := app
	raised.Env = recipe.ParseEnv(recipe.NewText(app.Path, slices.Clone(app.Env.Bytes())))
	r := &Rotation{App: raised, before: slices.Clone(app.Env.Bytes())}
	for _, key := range keys {
		one, err := planSecret(app, desired, current, have, key, fresh)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(r.Secrets, func(s RotatedSecret) bool { return s.Key == one.Key }) {
			continue
		}
		if err := raised.Env.Set(one.Variable, one.To); err != nil {
			return nil, err
		}
		r.Secrets = append(r.Secrets, one)
	}
	return r, nil
}

func planSecret(app App, desired *Desired, current *Stack, have map[string]swarm.Secret, key string, fresh bool) (RotatedSecret, error) {
	spec, err := desired.secret(key)
	if err != nil {
		return RotatedSecret{}, err
	}
	one := RotatedSecret{Key: spec.Key, Old: spec.Name, Variable: "SECRET_" + secretKey(spec.Key) + "_VERSION", From: spec.Version, spec: spec}
	stem, ok := strings.CutSuffix(spec.Name, spec.Version)
	parts := countedVersion.FindStringSubmatch(spec.Version)
	if !belongs(spec.Name, app.Stack) || !ok || parts == nil {
		err := fault.New(fault.Usage, "secret %q is called %q; expected a name of this stack with a version that ends in a number", spec.Key, spec.Name)
		return one, fault.Hint(err, "its version stands in %s of the env file, or in the recipe", one.Variable)
	}
	mounted := mountedSecrets(current)
	// An earlier rotation that came as far as the env file: its old secret stands.
	if before := have[spec.Name].Spec.Labels[labelRotates]; before != "" && have[before].ID != "" && before != spec.Name {
		if !fresh {
			one.Old, one.New, one.To, one.Resumes = before, spec.Name, spec.Version, true
			one.From = strings.TrimPrefix(before, stem)
			one.retire = chain(have, before)
			return one, nil
		}
		one.retire = chain(have, before)
	}
	n, _ := strconv.Atoi(parts[2]) // nine digits at most
	for range len(have) + 1 {
		n++
		one.To = parts[1] + strconv.Itoa(n)
		one.New = stem + one.To
		taken, exists := have[one.New]
		if !exists {
			break
		}
		if taken.Spec.Labels[labelRotates] == spec.Name && !mounted[one.New] {
			one.leftover = taken.ID // of a rotation that ended before the env file was raised
			break
		}
	}
	one.retire = append([]string{spec.Name}, one.retire...)
	return one, nil
}

// chain are the secrets that a rotation replaced, and those that they did.
func chain(have map[string]swarm.Secret, name string) []string {
	var names []string
	for name != "" && have[name].ID != "" && !slices.Contains(names, name) {
		names = append(names, name)
		name = have[name].Spec.Labels[labelRotates]
	}
	return names
}

// mountedSecrets are the names of the secrets that services mount.
func mountedSecrets(s *Stack) map[string]bool {
	mounted := map[string]bool{}
	for _, service := range s.Services {
		if c := service.Spec.TaskTemplate.ContainerSpec; c != nil {
			for _, secret := range c.Secrets {
				mounted[secret.SecretName] = true
			}
		}
	}
	return mounted
}

// secret finds a wanted secret by its key or name.
func (d *Desired) secret(key string) (SecretSpec, error) {
	var known []string
	for _, s := range d.Secrets {
		if s.Key == key || s.Name == key {
			return s, nil
		}
		known = append(known, s.Key)
	}
	err := fault.New(fault.Usage, "the app has no secret %q", key)
	return SecretSpec{}, fault.Hint(err, "it has %s", strings.Join(known, ", "))
}

// NeedsValue are the secrets that want a value: of the others one is there already.
func (r *Rotation) NeedsValue() []SecretSpec {
	var specs []SecretSpec
	for _, s := range r.Secrets {
		if !s.Resumes {
			specs = append(specs, s.spec)
		}
	}
	return specs
}

// Pretend adds the new secrets to a current stack, for a plan that is shown before
// they are made. It refuses a wanted stack whose secrets are not the rotation's: a
// recipe that does not name its secrets by their SECRET_…_VERSION cannot be rotated.
func (r *Rotation) Pretend(current *Stack, desired *Desired) error {
	for _, s := range r.Secrets {
		got, err := desired.secret(s.Key)
		if err != nil {
			return err
		}
		if got.Name != s.New {
			err := fault.New(fault.Unavailable, "with %s=%s secret %q is called %q; expected %q", s.Variable, s.To, s.Key, got.Name, s.New)
			return fault.Hint(err, "the recipe does not name its secret by that variable")
		}
		current.Secrets[s.New] = Secret{Name: s.New, External: true}
	}
	return nil
}
