package lint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/galley-coop/galley/internal/fault"
)

// maxConfig bounds a configuration, in bytes.
const maxConfig = 1 << 20

// Configs finds the configuration of each target, and reads each file once. It
// is safe for concurrent use.
type Configs struct {
	fixed *Config // for every target, when it was named

	mu     sync.Mutex
	folder map[string]*Config // by absolute path; nil for one without
	failed map[string]error
}

// NearestConfigs gives each target the nearest .galley.yml upward from its
// folder, up to the root of its git work tree or of the file system.
func NearestConfigs() *Configs {
	return &Configs{folder: map[string]*Config{}, failed: map[string]error{}}
}

// OneConfig gives every target the configuration in a file.
func OneConfig(name string) (*Configs, error) {
	config, err := readConfig(name)
	if err != nil {
		return nil, err
	}
	return &Configs{fixed: config}, nil
}

// For is the configuration for what stands in a folder on disk, nil for none.
// A nil Configs has none.
func (c *Configs) For(dir string) (*Config, error) {
	if c == nil || c.fixed != nil {
		return c.always(), nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", ConfigName, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(absolute)
}

func (c *Configs) always() *Config {
	if c == nil {
		return nil
	}
	return c.fixed
}

// find is called with the mutex held. It asks upward, and remembers the answer
// for every folder that it passed.
func (c *Configs) find(dir string) (*Config, error) {
	if err, known := c.failed[dir]; known {
		return nil, err
	}
	if config, known := c.folder[dir]; known {
		return config, nil
	}
	config, err := c.look(dir)
	if err != nil {
		c.failed[dir] = err
		return nil, err
	}
	c.folder[dir] = config
	return config, nil
}

func (c *Configs) look(dir string) (*Config, error) {
	name := filepath.Join(dir, ConfigName)
	if _, err := os.Lstat(name); err == nil {
		return readConfig(shorter(name))
	}
	parent := filepath.Dir(dir)
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil || parent == dir {
		return nil, nil
	}
	return c.find(parent)
}

// shorter is a path relative to the working folder when that is below or at most
// a few folders up: errors read better with it.
func shorter(name string) string {
	working, err := filepath.Abs(".")
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(working, name); err == nil && len(rel) < len(name) {
		return rel
	}
	return name
}

// readConfig reads a file. What is wrong in it, and that it is not there, is
// fault.Usage.
func readConfig(name string) (*Config, error) {
	data, err := readRegular(name, maxConfig)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, unreadable(name, err))
	}
	return ParseConfig(name, data)
}

// readRegular reads a file of at most limit bytes. Anything but a file is
// refused before it is opened: opening a named pipe waits for who writes to it.
func readRegular(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data, nil
}
