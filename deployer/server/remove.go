package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// Removed is what removing a server did, and what it left.
type Removed struct {
	Server string `json:"server"`
	// Context tells whether a docker context was removed, NodesFile whether the nodes
	// file was, Folder whether the folder was.
	Context   bool `json:"context_removed"`
	NodesFile bool `json:"nodes_removed"`
	Folder    bool `json:"folder_removed"`
	// Stays are the files that are left in the folder.
	Stays []string `json:"stays"`
	// Contexts are the docker contexts of its other nodes, which stay, too.
	Contexts []string `json:"node_contexts"`
}

// folderForm is what apps may call their server: more than new names may be.
var folderForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,127}$`)

// Remove forgets a server: its docker context, its nodes file, and its folder where
// nothing else is in it. The machine is not spoken to, and what runs there goes on. A
// server with env files is refused unless force is set; then the files stay.
func Remove(dir deployer.Dir, name string, force bool) (*Removed, error) {
	if !folderForm.MatchString(name) {
		return nil, fault.Hint(fault.New(fault.Usage, "there is no server %q", name), "galley server ls lists them")
	}
	env, others, err := inFolder(dir, name)
	if err != nil {
		return nil, err
	}
	have, err := removable(dir, name, env, force)
	if err != nil {
		return nil, err
	}
	r := &Removed{Server: name, Stays: append(append([]string{}, env...), others...), Contexts: []string{}}
	r.Contexts = append(r.Contexts, nodeContexts(dir, name)...)
	if have != nil {
		if err := removeContext(name); err != nil {
			return nil, err
		}
		r.Context = true
	}
	return r, r.empty(Folder(dir, name))
}

// removable refuses a server that is not there, that has apps, or that docker's own
// tools talk to. It returns the server's docker context, if there is one.
func removable(dir deployer.Dir, name string, env []string, force bool) (*metaFile, error) {
	var have *metaFile
	var err error
	if name != deployer.DefaultServer {
		if have, err = readContext(name); err != nil && !force {
			return nil, fault.Hint(err, "--force removes it all the same")
		}
		if err != nil {
			have = &metaFile{Name: name}
		}
	}
	_, statErr := os.Stat(Folder(dir, name))
	switch {
	case have == nil && errors.Is(statErr, fs.ErrNotExist):
		return nil, fault.Hint(fault.New(fault.Usage, "there is no server %q", name), "galley server ls lists them")
	case len(env) > 0 && !force:
		err := fault.New(fault.Usage, "server %q has %s: %s", name, counted(len(env), "env file"), strings.Join(env, ", "))
		return nil, fault.Hint(err, "undeploy the apps or move their files away first; --force leaves the files where they are")
	case have != nil && currentContext() == name && !force:
		err := fault.New(fault.Usage, "the docker context %q is the one that docker's own tools use", name)
		return nil, fault.Hint(err, "docker context use default; --force removes it all the same")
	}
	return have, nil
}

// nodeContexts are the docker contexts that the nodes file names.
func nodeContexts(dir deployer.Dir, name string) []string {
	nodes, err := dir.Nodes(name)
	if err != nil {
		return nil // what cannot be read names none
	}
	var named []string
	for _, n := range nodes {
		if !strings.Contains(n, "://") && n != name {
			named = append(named, n)
		}
	}
	return named
}

// empty removes the nodes file, and the folder when nothing is left in it.
func (r *Removed) empty(folder string) error {
	err := os.Remove(filepath.Join(folder, nodesName))
	switch {
	case err == nil:
		r.NodesFile = true
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("removing the server's nodes: %w", err)
	}
	if len(r.Stays) > 0 {
		return nil
	}
	err = os.Remove(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the server's folder: %w", err)
	}
	r.Folder = err == nil
	return nil
}
