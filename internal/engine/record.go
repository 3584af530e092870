package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	recordName = "galley-engine.json"
	logName    = "dockerd.log"
	maxRecord  = 64 << 10
)

// record names all that an engine may leave on the host. It is written before the
// first of it exists, so a run that is killed at any point can be swept.
type record struct {
	ID    string  `json:"id"`
	Dir   string  `json:"dir"`
	Owner process `json:"owner"`
	Init  process `json:"init"` // the supervisor; zero until it runs
	// Boot and PIDNS tell where the process ids count: kernel boot id and the
	// owner's PID namespace.
	Boot   string `json:"boot"`
	PIDNS  string `json:"pidns"`
	Link   string `json:"link"`   // the host's end of the veth pair
	Cgroup string `json:"cgroup"` // below the root of every hierarchy
}

func newRecord(id, dir string) (record, error) {
	owner, err := processOf(os.Getpid())
	if err != nil {
		return record{}, fmt.Errorf("recording the engine's owner: %w", err)
	}
	boot, pidns, err := here()
	if err != nil {
		return record{}, fmt.Errorf("recording the engine's owner: %w", err)
	}
	return record{
		ID: id, Dir: dir, Owner: owner, Boot: boot, PIDNS: pidns,
		Link: "galley" + id, Cgroup: Marker + id,
	}, nil
}

// here identifies the kernel and the PID namespace in which process ids count.
func here() (boot, pidns string, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", "", err
	}
	pidns, err = os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(b)), pidns, err
}

func (r record) write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the engine's record: %w", err)
	}
	path := filepath.Join(r.Dir, recordName)
	if err := os.WriteFile(path+".tmp", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the engine's record: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("writing the engine's record: %w", err)
	}
	return nil
}

var errNoRecord = errors.New("no record of an engine")

// readRecord reads the record in dir; errNoRecord means that there is none. A
// record that speaks of another directory, or of names that no engine has, is an
// error: what it says would be removed.
func readRecord(dir string) (record, error) {
	f, err := os.Open(filepath.Join(dir, recordName))
	if err != nil {
		return record{}, fmt.Errorf("%q: %w", dir, errNoRecord)
	}
	defer f.Close()
	var r record
	if err := json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(&r); err != nil {
		return record{}, fmt.Errorf("reading the engine's record in %q: %w", dir, err)
	}
	if r.Dir != dir || len(r.ID) != 8 || strings.Trim(r.ID, "0123456789abcdef") != "" ||
		r.Link != "galley"+r.ID || r.Cgroup != Marker+r.ID {
		return record{}, fmt.Errorf("reading the engine's record in %q: it does not belong there", dir)
	}
	return r, nil
}

// orphaned reports whether the engine's owner is gone for certain. Process ids of
// another PID namespace under this kernel cannot be judged, and count as alive.
func (r record) orphaned() (bool, error) {
	boot, pidns, err := here()
	if err != nil {
		return false, err
	}
	if r.Boot != boot {
		return true, nil
	}
	return r.PIDNS == pidns && !r.Owner.alive(), nil
}

// ours reports whether a directory is this user's alone to write: in a temporary
// directory that all share, anybody could place a record that names any process.
func ours(e fs.DirEntry) bool {
	st, err := e.Info()
	if err != nil || st.Mode().Perm()&0o022 != 0 {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// records lists the engines that left a record in a child of parent.
func records(parent string) ([]record, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var found []record
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !ours(e) {
			continue
		}
		r, err := readRecord(filepath.Join(parent, e.Name()))
		if errors.Is(err, errNoRecord) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, r)
	}
	return found, errors.Join(errs...)
}
