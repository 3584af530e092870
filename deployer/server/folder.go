package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
)

// Folder is where a server's files are: servers/<server>.
func Folder(dir deployer.Dir, name string) string { return filepath.Join(dir.Root, "servers", name) }

// Names lists the servers that have a folder.
func Names(dir deployer.Dir) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir.Root, "servers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the servers: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir.Root, "servers", e.Name())); err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// inFolder lists a server's env files and what else lies in its folder beside its
// nodes file, by name.
func inFolder(dir deployer.Dir, name string) (env, others []string, err error) {
	entries, err := os.ReadDir(Folder(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the server's folder: %w", err)
	}
	for _, e := range entries {
		switch {
		case e.Name() == nodesName:
		case strings.HasSuffix(e.Name(), ".env") && !strings.HasPrefix(e.Name(), "."):
			env = append(env, e.Name())
		default:
			others = append(others, e.Name())
		}
	}
	return env, others, nil
}

// makeFolder makes a server's folder, for its owner alone: env files hold passwords.
func makeFolder(dir deployer.Dir, name string) error {
	folder := Folder(dir, name)
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return fmt.Errorf("making the server's folder: %w", err)
	}
	err := os.Mkdir(folder, 0o700)
	if err == nil {
		return os.Chmod(folder, 0o700) // whatever the umask says
	}
	if info, statErr := os.Stat(folder); statErr == nil && info.IsDir() {
		return nil
	}
	return fmt.Errorf("making the server's folder: %w", err)
}
