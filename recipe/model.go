package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"github.com/galley-coop/galley/internal/fault"
)

// ModelOptions say which files are merged, and with which values.
type ModelOptions struct {
	// Files are the compose files in the order they are merged; empty means the
	// base alone. They are paths in the recipe.
	Files []string
	// Env gives the variables. What it does not hold is unset.
	Env map[string]string
	// SkipValidation leaves the schema unchecked: for a linter that reports
	// every schema error itself, with its position.
	SkipValidation bool
}

// Model merges and interpolates compose files with compose-go, as a deploy
// does. Nothing but the named files is read: no extends or include of other
// files, no env_file, no path resolved, no name derived, no default filled in.
// Names and paths are as written, so that who converts the model decides.
//
// Of ports published twice through an overlay the last one counts, as
// `docker stack deploy` does; compose-go would keep both, and swarm refuse them.
func (r *Recipe) Model(ctx context.Context, opts ModelOptions) (*types.Project, error) {
	documents, err := r.selected(opts.Files)
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: "/", Environment: types.Mapping(opts.Env)}
	for _, d := range documents {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: d.Text.Path, Content: d.Text.Bytes})
	}
	project, err := load(ctx, details, opts.SkipValidation)
	if err != nil {
		return nil, fmt.Errorf("merging %s: %s", strings.Join(paths(documents), ", "), oneLine(err))
	}
	for name, service := range project.Services {
		service.Ports = lastPorts(service.Ports)
		project.Services[name] = service
	}
	return project, nil
}

// quiet keeps compose-go from writing its warnings (an obsolete version key, a
// deprecated form) to standard error: galley's own rules say such things, with a
// place. There is no other switch for it than the logger it shares.
var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// load calls compose-go, which panics on some values that only its validation,
// were it not skipped, would have refused.
func load(ctx context.Context, details types.ConfigDetails, skipValidation bool) (project *types.Project, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			project, err = nil, fmt.Errorf("a value is not of the kind that its place wants (%v)", cause)
		}
	}()
	quiet()
	return loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName("galley", true)
		o.SkipValidation = skipValidation
		o.SkipNormalization = true
		o.ResolvePaths = false
		o.SkipConsistencyCheck = true
		o.SkipExtends = true
		o.SkipInclude = true
		o.SkipResolveEnvironment = true
		o.SkipResolveLabels = true
		o.SkipDefaultValues = true
		o.Interpolate = &interpolation.Options{
			LookupValue:     details.LookupEnv,
			TypeCastMapping: o.Interpolate.TypeCastMapping,
			// The default logs every unset variable to standard error.
			Substitute: func(s string, lookup template.Mapping) (string, error) {
				return Expand(s, Lookup(lookup))
			},
		}
	})
}

// selected finds the documents for names and refuses what cannot be merged.
func (r *Recipe) selected(names []string) ([]*Document, error) {
	if r.Base == nil {
		return nil, fault.Hint(errors.New("the recipe has no compose file"), "expected one of %s", strings.Join(ComposeNames, ", "))
	}
	if len(names) == 0 {
		names = []string{r.Base.Text.Path}
	}
	var documents []*Document
	for _, name := range names {
		d := r.Document(name)
		if d == nil {
			err := fmt.Errorf("the recipe has no compose file %q", name)
			return nil, fault.Hint(err, "COMPOSE_FILE may name %s", strings.Join(paths(r.Documents()), ", "))
		}
		if len(d.Errors) > 0 {
			return nil, d.Errors[0]
		}
		if err := refuseOtherFiles(d); err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// refuseOtherFiles finds what would pull in more files: a stack has neither
// include nor extends, and what they name would be read unseen.
func refuseOtherFiles(d *Document) error {
	if n := d.Lookup("include"); n.Exists() {
		return Problem{Range: n.KeyRange(), Message: "include is not part of a stack; name the file in COMPOSE_FILE"}
	}
	for _, service := range d.Lookup("services").Pairs() {
		if n := service.Get("extends"); n.Exists() {
			return Problem{Range: n.KeyRange(), Message: "extends is not part of a stack; use a YAML anchor or an overlay"}
		}
	}
	return nil
}

func paths(documents []*Document) []string {
	names := make([]string, len(documents))
	for i, d := range documents {
		names[i] = d.Text.Path
	}
	return names
}

// lastPorts keeps the last of the ports that are published at the same place.
func lastPorts(ports []types.ServicePortConfig) []types.ServicePortConfig {
	type place struct{ published, protocol, ip string }
	last := map[place]int{}
	at := func(p types.ServicePortConfig) place {
		protocol := p.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		return place{p.Published, protocol, p.HostIP}
	}
	for i, p := range ports {
		last[at(p)] = i
	}
	var kept []types.ServicePortConfig
	for i, p := range ports {
		if p.Published == "" || last[at(p)] == i {
			kept = append(kept, p)
		}
	}
	return kept
}

// oneLine folds a library's error into one line, without the stack of
// "validating …:" prefixes that name the file again.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// Use is a place where a compose file uses a variable.
type Use struct {
	Variable Variable
	Range    Range // of the variable within its value
	Node     Node
}

// Uses lists the variables in the values of d, in the order of the text. Keys
// are not interpolated, and so not looked at.
func (d *Document) Uses() []Use {
	var uses []Use
	d.Root().Scalars(func(_ []string, n Node) {
		if !strings.Contains(n.Text(), "$") {
			return
		}
		for _, v := range Variables(n.Text()) {
			uses = append(uses, Use{Variable: v, Range: n.Sub(v.Start, v.End), Node: n})
		}
	})
	return uses
}

// Undefined lists the uses, in the named files, of variables that have neither
// a value in env, nor a default, nor a place in the sample env file, where even
// a commented declaration makes a variable optional. A stack deployed with one
// of them would silently get an empty value.
func (r *Recipe) Undefined(files []string, env map[string]string) []Use {
	if len(files) == 0 && r.Base != nil {
		files = []string{r.Base.Text.Path}
	}
	var undefined []Use
	for _, name := range files {
		d := r.Document(name)
		if d == nil {
			continue
		}
		for _, use := range d.Uses() {
			if _, ok := env[use.Variable.Name]; ok || use.Variable.Operator != "" {
				continue
			}
			if r.Sample != nil && r.Sample.Declared(use.Variable.Name) {
				continue
			}
			undefined = append(undefined, use)
		}
	}
	return undefined
}

// Environment is what compose files are interpolated with: env, over it the
// exports of abra.sh, and STACK_NAME. An export wins over an app's value as it
// does for the client operators know: it belongs to the recipe's version, and a
// stale copy of it in an env file must not pin an old config. Exports that only
// a shell could tell are left out. env is not changed.
func (r *Recipe) Environment(env map[string]string, stack string) map[string]string {
	all := map[string]string{}
	for name, value := range env {
		all[name] = value
	}
	if r.Script != nil {
		for _, e := range r.Script.Exports {
			last, _ := r.Script.Get(e.Name)
			if last.Exported && !last.Dynamic {
				all[e.Name] = last.Value
			}
		}
	}
	all["STACK_NAME"] = stack
	return all
}

// SampleEnvironment interpolates with the sample's own values: what a linter or
// a catalogue knows before there is an app.
func (r *Recipe) SampleEnvironment() map[string]string {
	env := map[string]string{}
	if r.Sample != nil {
		env, _ = r.Sample.Environ(nil)
	}
	return r.Environment(env, "stack")
}

// RelativePath cleans a path that a compose file gives for a file of the
// recipe; ok is false for one that leaves it.
func RelativePath(name string) (clean string, ok bool) {
	clean = path.Clean(strings.TrimPrefix(name, "./"))
	return clean, !path.IsAbs(clean) && clean != ".." && !strings.HasPrefix(clean, "../")
}
