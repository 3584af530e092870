package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Prepared is an app as a run has it, for the place that it is restored to. Nothing of
// it is written yet.
type Prepared struct {
	App deployer.App
	// Notes are what the operator should look at, one line each.
	Notes []string

	manifest *Manifest
	values   map[string][]byte // by the secret's name when it was backed up
}

// Target is where a run is restored to.
type Target struct {
	Dir            deployer.Dir
	Domain, Server string
	// Env is the env file to take in place of the run's; nil takes the run's.
	Env []byte
}

// maxSmall bounds env files and secrets, in bytes.
const maxSmall = 64 << 20

// Prepare reads a run's env file and secrets and makes the app that it is to be: of the
// version that the run was made of, and for another domain with that domain's name.
func Prepare(ctx context.Context, r *Repository, m *Manifest, to Target) (*Prepared, error) {
	p := &Prepared{manifest: m, values: map[string][]byte{}}
	env := to.Env
	for i := range m.Parts {
		part := &m.Parts[i]
		switch {
		case part.Kind == KindEnv && env == nil:
			data, err := readSmall(ctx, r, part)
			if err != nil {
				return nil, err
			}
			env = data
		case part.Kind == KindSecrets:
			if err := p.readSecrets(ctx, r, part); err != nil {
				return nil, err
			}
		}
	}
	if env == nil {
		return nil, fault.New(fault.Unavailable, "run %s has no env file", m.Run)
	}
	env, err := p.editEnv(env, to.Domain)
	if err != nil {
		return nil, err
	}
	p.App, err = to.Dir.AppWith(to.Server, to.Domain, env)
	return p, err
}

func readSmall(ctx context.Context, r *Repository, part *Part) ([]byte, error) {
	data := limited{limit: maxSmall}
	if err := r.ReadPart(ctx, part, &data); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

func (p *Prepared) readSecrets(ctx context.Context, r *Repository, part *Part) error {
	data, err := readSmall(ctx, r, part)
	if err != nil {
		return err
	}
	defer clear(data)
	var file secretsFile
	if err := json.Unmarshal(data, &file); err != nil || file.Format != 1 {
		return fault.New(fault.Unavailable, "the secrets of run %s are in a form that this galley does not read", p.manifest.Run)
	}
	p.values = file.Values
	return nil
}

// editEnv names the version that was backed up, and the domain that it is for.
func (p *Prepared) editEnv(text []byte, domain string) ([]byte, error) {
	env := recipe.ParseEnv(recipe.NewText("env", bytes.Clone(text)))
	name, _ := env.Recipe()
	if p.manifest.Version != "" && name != "" {
		if err := env.SetRecipe(name, p.manifest.Version); err != nil {
			return nil, fmt.Errorf("preparing the env file: %w", err)
		}
	}
	if domain == p.manifest.Domain {
		return env.Bytes(), nil
	}
	if err := env.Set("DOMAIN", domain); err != nil {
		return nil, fmt.Errorf("preparing the env file: %w", err)
	}
	if v, ok := env.Get("STACK_NAME"); ok && v.Value == p.manifest.Stack { // it would be the same stack
		if err := env.Unset("STACK_NAME"); err != nil {
			return nil, fmt.Errorf("preparing the env file: %w", err)
		}
	}
	for _, v := range env.Vars() {
		if strings.Contains(v.Value, p.manifest.Domain) && !v.Commented && v.Name != "DOMAIN" {
			p.Notes = append(p.Notes, fmt.Sprintf("%s in the env file still names %s", v.Name, p.manifest.Domain))
		}
	}
	return env.Bytes(), nil
}

// SecretPlan is what becomes of the secrets that a restored app needs.
type SecretPlan struct {
	Create   []string // names on the swarm, to be made with the run's values
	Same     []string // there already, with the run's value
	Conflict []string // keys whose name is taken by another value
	Missing  []string // names that neither the swarm nor the run has
	Kept     []string // on the swarm, and not in the run: what they are nobody compared

	values map[string][]byte // by the name to make
}

// PlanSecrets compares the secrets that the wanted stack needs with those of the run and of
// the swarm. Swarm changes no secret: one whose name has another value needs another
// version.
func (p *Prepared) PlanSecrets(ctx context.Context, e *deployer.Engine, desired *deployer.Desired) (*SecretPlan, error) {
	states, err := e.Secrets(ctx, desired)
	if err != nil {
		return nil, err
	}
	plan := &SecretPlan{values: map[string][]byte{}}
	var compare []string
	for _, s := range states {
		value, known := p.valueOf(s.SecretSpec)
		switch {
		case known && s.Exists:
			compare = append(compare, s.Name)
			plan.values[s.Name] = value
		case known:
			plan.Create = append(plan.Create, s.Name)
			plan.values[s.Name] = value
		case s.Exists:
			plan.Kept = append(plan.Kept, s.Name)
		default:
			plan.Missing = append(plan.Missing, s.Name)
		}
	}
	standing, err := e.SecretValues(ctx, desired.Stack.Name, compare)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		switch value, ok := standing[s.Name]; {
		case !ok:
		case bytes.Equal(value, plan.values[s.Name]):
			plan.Same = append(plan.Same, s.Name)
		default:
			plan.Conflict = append(plan.Conflict, s.Key)
		}
	}
	return plan, nil
}

// valueOf finds the run's value for a secret: under its name, or under the one that it had
// in the stack that was backed up. A version that was raised since, because the name was
// taken, counts as the one that the run has.
func (p *Prepared) valueOf(secret deployer.SecretSpec) ([]byte, bool) {
	if value, ok := p.values[secret.Name]; ok {
		return value, true
	}
	was := Renamed(secret.Name, p.App.Stack, p.manifest.Stack)
	if value, ok := p.values[was]; ok {
		return value, true
	}
	stem, versioned := strings.CutSuffix(was, "_"+secret.Version)
	if !versioned || secret.Version == "" {
		return nil, false
	}
	var found []string
	for known := range p.values {
		if version, ok := strings.CutPrefix(known, stem+"_"); ok && uncounted(version) == uncounted(secret.Version) {
			found = append(found, known)
		}
	}
	if len(found) != 1 {
		return nil, false
	}
	return p.values[found[0]], true
}

// uncounted is a version without the number that a rotation raises.
func uncounted(version string) string { return strings.TrimRight(version, "0123456789") }

// Make writes the planned secrets.
func (plan *SecretPlan) Make(ctx context.Context, e *deployer.Engine, stack string) error {
	for _, name := range slices.Sorted(slices.Values(plan.Create)) {
		if err := e.CreateSecret(ctx, stack, name, plan.values[name]); err != nil {
			return err
		}
	}
	return nil
}
