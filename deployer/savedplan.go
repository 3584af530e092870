package deployer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// SavedPlanFormat is the version of a saved plan's form.
const SavedPlanFormat = 1

// SavedPlan is a plan in a file, with what it was made from. It is a promise and
// never a source: whoever deploys by it makes the plan anew from the verified
// catalogue and the swarm, and the two must be the same. Values that plans mask
// are masked in it.
type SavedPlan struct {
	Format    int           `json:"format"`
	Galley    string        `json:"galley"` // the version that wrote it
	Made      time.Time     `json:"made"`
	Domain    string        `json:"domain"`
	Stack     string        `json:"stack"`
	Server    string        `json:"server"`
	Cluster   string        `json:"cluster"` // the swarm's ID
	Recipe    string        `json:"recipe"`
	Version   string        `json:"version"`
	Entry     string        `json:"entry"` // sha256 of the catalogue's entry
	Catalogue CatalogueMark `json:"catalogue"`
	EnvFile   string        `json:"env_file"` // sha256 of the file's bytes
	World     World         `json:"world"`
	Plan      *Plan         `json:"plan"`
}

// World names everything on a swarm that a plan was made from: "service NAME" to
// its ID and version index, and networks, configs and secrets to their IDs. Two
// equal ones are of one moment, as far as the stack goes.
type World map[string]string

// WorldOf is the world of a wanted stack and a current one.
func WorldOf(desired *Desired, current *Stack) World {
	w := World{}
	for name, s := range current.Services {
		w["service "+name] = s.ID + "@" + strconv.FormatUint(s.Version.Index, 10)
	}
	for name, n := range current.Networks {
		if _, wanted := desired.Stack.Networks[name]; wanted || !n.External {
			w["network "+name] = n.ID
		}
	}
	for name, c := range current.Configs {
		if _, wanted := desired.Stack.Configs[name]; wanted || !c.External {
			w["config "+name] = c.ID
		}
	}
	for _, s := range desired.Secrets {
		if have, ok := current.Secrets[s.Name]; ok {
			w["secret "+s.Name] = have.ID
		}
	}
	return w
}

// differences names what is not the same in two worlds, sorted.
func (w World) differences(now World) []string {
	says := []string{}
	for key, id := range w {
		switch other, ok := now[key]; {
		case !ok:
			says = append(says, key+" is gone")
		case other != id:
			says = append(says, key+" changed")
		}
	}
	for key := range now {
		if _, ok := w[key]; !ok {
			says = append(says, key+" is new")
		}
	}
	slices.Sort(says)
	return says
}

// Save makes a plan to keep, of an app whose env file made desired.
func (e *Engine) Save(app App, desired *Desired, current *Stack, plan *Plan) *SavedPlan {
	sum := sha256.Sum256(app.Env.Text.Bytes)
	return &SavedPlan{
		Format: SavedPlanFormat, Made: time.Now().UTC().Truncate(time.Second), Domain: app.Domain, Stack: plan.Stack, Server: app.Server, Cluster: e.Cluster,
		Recipe: plan.Recipe, Version: plan.To, Entry: desired.EntryDigest, EnvFile: hex.EncodeToString(sum[:]), World: WorldOf(desired, current), Plan: plan,
	}
}

// Check compares a saved plan with the one that was made just now. The error
// says what differs.
func (s *SavedPlan) Check(now *SavedPlan) error {
	var says []string
	for _, f := range []struct{ name, was, is string }{
		{"domain", s.Domain, now.Domain}, {"stack", s.Stack, now.Stack}, {"server", s.Server, now.Server},
		{"recipe", s.Recipe, now.Recipe}, {"version", s.Version, now.Version},
	} {
		if f.was != f.is {
			says = append(says, fmt.Sprintf("it is for %s %q, not %q", f.name, f.was, f.is))
		}
	}
	if s.Cluster != now.Cluster {
		says = append(says, "the server is another swarm")
	}
	if s.Entry != now.Entry {
		says = append(says, "the catalogue's entry is another one")
	}
	if s.EnvFile != now.EnvFile {
		says = append(says, "the env file changed")
	}
	says = append(says, s.World.differences(now.World)...)
	if len(says) == 0 && !samePlan(s.Plan, now.Plan) {
		says = append(says, "the plan differs in "+strings.Join(differentChanges(s.Plan, now.Plan), ", "))
	}
	if len(says) == 0 {
		return nil
	}
	return outdated(says)
}

// outdated refuses a plan that the world has moved away from.
func outdated(says []string) error {
	err := fault.New(fault.Unavailable, "the saved plan does not hold any more: %s", strings.Join(says, "; "))
	return fault.Hint(err, "plan again with --out, and look at the new plan; nothing was changed")
}

// differentChanges names the objects that two plans do not treat alike.
func differentChanges(a, b *Plan) []string {
	index := func(p *Plan) map[string]Change {
		m := map[string]Change{}
		for _, c := range p.Changes {
			m[c.Kind+" "+c.Name] = c
		}
		return m
	}
	x, y := index(a), index(b)
	names := map[string]bool{}
	for _, m := range []map[string]Change{x, y} {
		for name := range maps.Keys(m) {
			if !reflect.DeepEqual(x[name], y[name]) {
				names[name] = true
			}
		}
	}
	if len(names) == 0 {
		return []string{"the order of changes"}
	}
	return sortedKeys(names)
}

// maxSavedPlan bounds a saved plan, in bytes.
const maxSavedPlan = 16 << 20

// WriteSavedPlan writes the file, which only its owner can read, whole or not at
// all; one that stands there is replaced.
func WriteSavedPlan(path string, s *SavedPlan) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	temp, err := writeTemp(filepath.Dir(path), append(data, '\n'), 0o600)
	if err == nil {
		defer os.Remove(temp)
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// ReadSavedPlan reads a file that WriteSavedPlan wrote. Nothing of it is
// believed: it is held against a plan that is made anew.
func ReadSavedPlan(path string) (*SavedPlan, error) {
	s, err := readSavedPlan(path)
	if err != nil {
		err = fmt.Errorf("reading the plan: %w", err)
		return nil, fault.Hint(err, "galley app plan DOMAIN --out %s writes one", path)
	}
	return s, nil
}

func readSavedPlan(path string) (*SavedPlan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSavedPlan+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSavedPlan {
		return nil, fmt.Errorf("%q is larger than %d bytes", path, maxSavedPlan)
	}
	var head struct{ Format int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%q is no saved plan: %w", path, err)
	}
	if head.Format != SavedPlanFormat {
		return nil, fmt.Errorf("%q has the format %d; expected %d", path, head.Format, SavedPlanFormat)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var s SavedPlan
	err = decoder.Decode(&s)
	if err == nil && (s.Plan == nil || cmp.Or(s.Version, s.Entry) == "") {
		err = errors.New("it has no plan or no version")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no saved plan: %w", path, err)
	}
	return &s, nil
}
