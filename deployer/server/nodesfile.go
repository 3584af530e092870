package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// nodesName is the file in a server's folder that names the ways to its other nodes.
const nodesName = "nodes"

// AddNode names a way to a node, a docker context or an address, in the server's nodes
// file, if it is not there yet. Lines that are there stay as they are. The folder must
// exist. added tells whether a line was written.
func AddNode(dir deployer.Dir, name, way string) (added bool, err error) {
	have, err := dir.Nodes(name)
	if err != nil {
		return false, err
	}
	if slices.Contains(have, way) {
		return false, nil
	}
	file := filepath.Join(Folder(dir, name), nodesName)
	old, mode, err := readNodesFile(file)
	if err != nil {
		return false, err
	}
	content := appendLine(string(old), way)
	if err := renameio.WriteFile(file, []byte(content), mode); err != nil {
		return false, fmt.Errorf("writing the server's nodes: %w", err)
	}
	if _, err := dir.Nodes(name); err != nil { // one too many, or no way at all
		return false, errors.Join(err, restoreNodes(file, old, mode))
	}
	return true, nil
}

func readNodesFile(file string) (old []byte, mode fs.FileMode, err error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0o600, nil
	}
	if err == nil {
		old, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the server's nodes: %w", err)
	}
	return old, info.Mode().Perm(), nil
}

// restoreNodes puts the file back as it was; it was not there when old is nil.
func restoreNodes(file string, old []byte, mode fs.FileMode) error {
	if old == nil {
		return os.Remove(file)
	}
	return renameio.WriteFile(file, old, mode)
}

// appendLine adds a line at the end of a text whose last line may lack its end.
func appendLine(content, line string) string {
	if content != "" && !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	return content + line + "\n"
}

// Node is a node beside a server's own, as it is asked for: NAME=ADDRESS or ADDRESS.
type Node struct {
	// Name is of the docker context that is made for it, "" for none.
	Name string
	// Address is where its engine is.
	Address string
}

// ParseNode reads NAME=ADDRESS or ADDRESS.
func ParseNode(given string) (Node, error) {
	n := Node{Address: given}
	if name, address, named := strings.Cut(given, "="); named && !strings.Contains(name, "://") {
		n = Node{name, address}
		if err := CheckName(name); err != nil {
			return n, fmt.Errorf("node %w", err)
		}
	}
	if !strings.Contains(n.Address, "://") {
		return n, fault.Hint(fault.New(fault.Usage, "node %q: expected NAME=ADDRESS or ADDRESS", given), "write it like node2=ssh://user@node2.example.org")
	}
	return n, CheckAddress(n.Address)
}

// way is how the nodes file names it.
func (n Node) way() string {
	if n.Name != "" {
		return n.Name
	}
	return n.Address
}
