package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// maxMeta bounds a docker context's file, in bytes.
const maxMeta = 1 << 20

// contextForm is what the docker CLI takes for the name of a context.
var contextForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`)

// Context is a docker context: a name for an engine's address.
type Context struct {
	Name string `json:"name"`
	Host string `json:"host"` // the docker endpoint's address
}

// CheckName refuses what can be no docker context and no folder's name.
func CheckName(name string) error {
	switch {
	case name == deployer.DefaultServer:
		return fault.Hint(fault.New(fault.Usage, "the server %q is what docker itself would talk to: it is always there", name), "choose another name for a machine of its own")
	case len(name) > 128 || !contextForm.MatchString(name):
		err := fault.New(fault.Usage, "server %q: expected a name of 2 to 128 letters, digits and _ . + -, that begins with a letter or a digit", name)
		return fault.Hint(err, "it becomes a docker context and a folder under servers/")
	}
	return nil
}

// metaFile is a docker context's file as it is: what galley does not know it keeps.
type metaFile struct {
	Name      string
	Metadata  json.RawMessage            `json:",omitempty"`
	Endpoints map[string]json.RawMessage `json:",omitempty"`
	others    map[string]json.RawMessage
}

// dockerEndpoint is the part of a context that names the engine.
type dockerEndpoint struct {
	Host          string
	SkipTLSVerify bool
}

// readContext reads a docker context; nil when there is none of that name.
func readContext(name string) (*metaFile, error) {
	file, err := deployer.ContextFile(name)
	if err != nil {
		return nil, err
	}
	meta, err := readMeta(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading docker context %q: %w", name, err)
	}
	return meta, nil
}

func readMeta(file string) (*metaFile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMeta+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxMeta {
		return nil, fmt.Errorf("%q is larger than %d bytes", file, maxMeta)
	}
	meta := &metaFile{}
	if err := json.Unmarshal(data, meta); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &meta.others); err != nil {
		return nil, err
	}
	for _, known := range []string{"Name", "Metadata", "Endpoints"} {
		delete(meta.others, known)
	}
	return meta, nil
}

// host is the docker endpoint's address, "" without one.
func (m *metaFile) host() string {
	var endpoint dockerEndpoint
	_ = json.Unmarshal(m.Endpoints["docker"], &endpoint) // a context of something else has none
	return endpoint.Host
}

// setHost gives the context another address. Certificates that belonged to the old
// one are not asked for any more.
func (m *metaFile) setHost(host string) error {
	endpoint, err := json.Marshal(dockerEndpoint{Host: host})
	if err != nil {
		return err
	}
	if m.Endpoints == nil {
		m.Endpoints = map[string]json.RawMessage{}
	}
	m.Endpoints["docker"] = endpoint
	return nil
}

// writeContext makes a docker context as the docker CLI does, or gives one that is
// there another address.
func writeContext(name, host string) error {
	meta, err := readContext(name)
	if err != nil {
		return err
	}
	if meta == nil {
		meta = &metaFile{Name: name, Metadata: json.RawMessage("{}")}
	}
	if err := meta.setHost(host); err != nil {
		return fmt.Errorf("writing docker context %q: %w", name, err)
	}
	data, err := meta.encode()
	if err != nil {
		return fmt.Errorf("writing docker context %q: %w", name, err)
	}
	file, err := deployer.ContextFile(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { // as the docker CLI has it
		return fmt.Errorf("writing docker context %q: %w", name, err)
	}
	if err := renameio.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("writing docker context %q: %w", name, err)
	}
	return nil
}

func (m *metaFile) encode() ([]byte, error) {
	all := map[string]any{"Name": m.Name, "Endpoints": m.Endpoints}
	if len(m.Metadata) > 0 {
		all["Metadata"] = m.Metadata
	}
	for key, value := range m.others {
		all[key] = value
	}
	return json.Marshal(all)
}

// removeContext takes a docker context away, with the certificates that it has.
func removeContext(name string) error {
	file, err := deployer.ContextFile(name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	contexts := filepath.Dir(filepath.Dir(dir))
	for _, gone := range []string{dir, filepath.Join(contexts, "tls", filepath.Base(dir))} {
		if err := os.RemoveAll(gone); err != nil {
			return fmt.Errorf("removing docker context %q: %w", name, err)
		}
	}
	return nil
}

// Contexts lists the docker contexts by name. One that cannot be read is left out, and
// told of in the error beside the others.
func Contexts() ([]Context, error) {
	sample, err := deployer.ContextFile(deployer.DefaultServer)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(sample)), "*", filepath.Base(sample)))
	if err != nil {
		return nil, fmt.Errorf("listing the docker contexts: %w", err)
	}
	var all []Context
	var errs []error
	for _, file := range files {
		meta, err := readMeta(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading docker context %s: %w", file, err))
			continue
		}
		all = append(all, Context{meta.Name, meta.host()})
	}
	slices.SortFunc(all, func(a, b Context) int { return cmp.Compare(a.Name, b.Name) })
	return all, errors.Join(errs...)
}

// currentContext is the context that docker's own tools take when they are told none,
// "" for the default one.
func currentContext() string {
	sample, err := deployer.ContextFile(deployer.DefaultServer)
	if err != nil {
		return ""
	}
	dir := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(sample))))
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return "" // none is configured
	}
	var config struct{ CurrentContext string }
	_ = json.Unmarshal(data, &config) // docker complains of it better than galley would
	return config.CurrentContext
}
