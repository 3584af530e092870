package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

// Keyring is a folder of keys. Which key is whose is told by the keys, not by
// the files' names.
type Keyring struct {
	Dir  string
	Keys []*LockedKey // by file name
	// problems are of files that hold a key and cannot be used.
	problems map[string]error
}

// maxKeyring bounds the files of a folder of keys.
const maxKeyring = 1000

// OpenKeyring looks at every file of a folder that has a private key in it. A
// folder that is not there has none.
func OpenKeyring(dir string) (*Keyring, error) {
	ring := &Keyring{Dir: dir, problems: map[string]error{}}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ring, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for keys: %w", err)
	}
	if len(entries) > maxKeyring {
		return nil, fmt.Errorf("looking for keys: %q has %d files, expected a folder of keys alone", dir, len(entries))
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || !holdsKey(name) {
			continue
		}
		key, err := OpenKey(name)
		if err != nil {
			ring.problems[name] = err
			continue
		}
		ring.Keys = append(ring.Keys, key)
	}
	return ring, nil
}

func holdsKey(name string) bool {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	data, err := readSmall(name)
	return err != nil || bytes.HasPrefix(data, []byte("-----BEGIN ")) && bytes.Contains(data, []byte("PRIVATE KEY-----"))
}

// Find is the key with that identifier, nil when the folder has none.
func (r *Keyring) Find(id string) *LockedKey {
	i := slices.IndexFunc(r.Keys, func(k *LockedKey) bool { return k.ID() == id })
	if i < 0 {
		return nil
	}
	return r.Keys[i]
}

// Problems are the files that hold a key and cannot be used, and why.
func (r *Keyring) Problems() []string {
	texts := []string{}
	for _, name := range slices.Sorted(maps.Keys(r.problems)) {
		texts = append(texts, r.problems[name].Error())
	}
	return texts
}

// unlock gives as many keys as a role needs. rootName is for errors.
func (r *Keyring) unlock(root *metadata.Metadata[metadata.RootType], rootName string, role Role, ask Passphrase) ([]Key, error) {
	named, ok := root.Signed.Roles[string(role)]
	if !ok {
		return nil, fault.New(fault.Refused, "%s does not name keys for %s", rootName, role)
	}
	var found []*LockedKey
	for _, k := range r.Keys {
		if slices.Contains(named.KeyIDs, k.ID()) && len(found) < named.Threshold {
			found = append(found, k)
		}
	}
	if len(found) < named.Threshold {
		return nil, r.short(named, len(found), rootName, role)
	}
	var keys []Key
	for _, k := range found {
		key, err := k.Unlock(ask)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// short says why there are too few keys for a role: the file that should hold
// one cannot be used, is another's, or is not there.
func (r *Keyring) short(named *metadata.Role, found int, rootName string, role Role) error {
	expected := KeyFile(r.Dir, role)
	_, err := OpenKey(expected)
	switch {
	case named.Threshold > 1:
		err = fmt.Errorf("%d of the %d keys that %s needs are in %q", found, named.Threshold, role, r.Dir)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("no key of %s is in %q, expected one in %s", role, r.Dir, expected)
	case err != nil:
		return err
	default:
		err = fault.New(fault.Refused, "%s does not name the key %q for %s", rootName, expected, role)
		return fault.Hint(err, "it names %s; galley catalogue keys list shows which keys are here", shortIDs(named.KeyIDs))
	}
	for _, name := range slices.Sorted(maps.Keys(r.problems)) {
		err = fmt.Errorf("%w; %w", err, r.problems[name])
	}
	missing := slices.DeleteFunc(slices.Clone(named.KeyIDs), func(id string) bool { return r.Find(id) != nil })
	return fault.Hint(err, "not here: %s; keep the keys of %s where signing runs", shortIDs(missing), role)
}

func shortIDs(ids []string) string {
	var list []string
	for _, id := range ids {
		list = append(list, shortID(id))
	}
	return strings.Join(list, ", ")
}
