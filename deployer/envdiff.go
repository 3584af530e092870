package deployer

import (
	"slices"

	"github.com/galley-coop/galley/recipe"
)

// EnvDifference is how an env file differs from a recipe's sample in one variable.
// Values that look like secrets are masked.
type EnvDifference struct {
	Kind     string `json:"kind"`
	Variable string `json:"variable"`
	Value    string `json:"value"`   // in the env file, "" when it has none
	Before   string `json:"before"`  // the sample's of the version that runs, "" without
	Default  string `json:"default"` // the sample's of the version that is looked at
	// Line is where it stands: in the env file when that has it, else in the sample.
	Line int `json:"line"`
}

// The kinds of an EnvDifference.
const (
	EnvMissing  = "missing"  // the sample sets it, the env file does not speak of it
	EnvOptional = "optional" // the sample has it commented out, the env file does not speak of it
	EnvChanged  = "changed"  // the sample's default is another one than that of the version that runs
	EnvGone     = "gone"     // the sample of the version that runs had it
	EnvAdded    = "added"    // only the env file has it
)

// ofTheApp are variables that are every app's own: a sample's value is no default.
var ofTheApp = []string{"TYPE", "RECIPE", "DOMAIN", "STACK_NAME", catalogueVariable}

// DiffEnv compares an app's env file with the sample of a version, and that with the
// sample of the version that runs, which may be nil. What the operator set otherwise
// than the sample is no difference: that is what env files are for.
func DiffEnv(app App, running, sample *recipe.EnvFile) []EnvDifference {
	d := envDiff{app: app, before: samples(running), now: samples(sample), list: []EnvDifference{}}
	for _, file := range []*recipe.EnvFile{app.Env, running, sample} {
		if file != nil {
			for _, v := range file.Vars() {
				d.mask.learn(v.Name, v.Sample())
			}
		}
	}
	if sample != nil {
		d.ofSample(sample)
	}
	d.ofApp()
	return d.list
}

type envDiff struct {
	app         App
	before, now map[string]recipe.EnvVar
	mask        masker
	list        []EnvDifference
}

// samples are a sample's declarations by name: the active one, else the last that is
// commented out.
func samples(file *recipe.EnvFile) map[string]recipe.EnvVar {
	vars := map[string]recipe.EnvVar{}
	if file == nil {
		return vars
	}
	for _, v := range file.Vars() {
		if known, ok := vars[v.Name]; !ok || known.Commented || !v.Commented {
			vars[v.Name] = v
		}
	}
	return vars
}

func (d *envDiff) add(kind, name string, line int) {
	shown := func(v recipe.EnvVar, ok bool) string {
		if !ok {
			return ""
		}
		return d.mask.value(name, v.Sample())
	}
	value, has := d.app.Env.Get(name)
	before, had := d.before[name]
	now, hasNow := d.now[name]
	d.list = append(d.list, EnvDifference{kind, name, shown(value, has), shown(before, had), shown(now, hasNow), line})
}

// ofSample goes through the sample's variables, each once.
func (d *envDiff) ofSample(sample *recipe.EnvFile) {
	seen := map[string]bool{}
	for _, v := range sample.Vars() {
		if seen[v.Name] || slices.Contains(ofTheApp, v.Name) {
			continue
		}
		seen[v.Name] = true
		now := d.now[v.Name]
		before, had := d.before[v.Name]
		switch {
		case !d.app.Env.Declared(v.Name) && now.Commented:
			d.add(EnvOptional, v.Name, v.NameRange.Start.Line)
		case !d.app.Env.Declared(v.Name):
			d.add(EnvMissing, v.Name, v.NameRange.Start.Line)
		case had && !d.follows(v.Name, now) && (before.Commented != now.Commented || before.Sample() != now.Sample()):
			d.add(EnvChanged, v.Name, d.line(v.Name))
		}
	}
}

// follows tells whether the env file has what the sample has now.
func (d *envDiff) follows(name string, now recipe.EnvVar) bool {
	have, ok := d.app.Env.Get(name)
	return ok && !now.Commented && have.Value == now.Value
}

// ofApp goes through what the env file sets and the sample does not speak of.
func (d *envDiff) ofApp() {
	seen := map[string]bool{}
	for _, v := range d.app.Env.Vars() {
		_, now := d.now[v.Name]
		_, had := d.before[v.Name]
		if now || v.Commented || seen[v.Name] || slices.Contains(ofTheApp, v.Name) {
			continue
		}
		seen[v.Name] = true
		kind := EnvAdded
		if had {
			kind = EnvGone
		}
		d.add(kind, v.Name, v.NameRange.Start.Line)
	}
}

// line is where the env file declares a variable, active or not.
func (d *envDiff) line(name string) int {
	if v, ok := d.app.Env.Get(name); ok {
		return v.NameRange.Start.Line
	}
	for _, v := range d.app.Env.Vars() {
		if v.Name == name {
			return v.NameRange.Start.Line
		}
	}
	return 0
}
