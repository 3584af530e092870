package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// wholeDir is the folder, within a client's, of the timestamp, snapshot and
// targets that verified together last. The client's own files may be newer one by
// one: a refresh that breaks off remembers what it saw, so that nothing goes back.
const wholeDir = "whole"

// wholeRoles are what is kept there.
var wholeRoles = []Role{Timestamp, Snapshot, Targets}

// Local verifies what Refresh read last as a whole, without asking anybody,
// against the newest root that dir holds. read is when that was. Nothing may have
// expired, and the root's keys of today must have signed it. The error is
// fs.ErrNotExist when there is none.
func Local(ctx context.Context, dir string, root []byte, now time.Time) (state *State, read time.Time, err error) {
	from := filepath.Join(dir, wholeDir)
	info, err := os.Stat(filepath.Join(from, string(Timestamp)+".json"))
	if err != nil {
		return nil, time.Time{}, fs.ErrNotExist
	}
	staging, err := os.MkdirTemp("", "galley-trust-")
	if err != nil {
		return nil, time.Time{}, KeepError(os.TempDir(), err)
	}
	defer os.RemoveAll(staging)
	if err := os.CopyFS(staging, os.DirFS(from)); err != nil {
		return nil, time.Time{}, KeepError(from, err)
	}
	for _, role := range wholeRoles {
		if !readable(staging, role) {
			return nil, time.Time{}, fs.ErrNotExist
		}
	}
	if state, err = walk(ctx, nil, staging, root, now); err != nil {
		err = explainLocal(staging, root, now, err)
		return nil, time.Time{}, fmt.Errorf("what was read %s: %w", Ago(max(0, now.Sub(info.ModTime()))), err)
	}
	state.SetDir(dir)
	return state, info.ModTime(), nil
}

// explainLocal words what is wrong with metadata that was not fetched: go-tuf
// names no file.
func explainLocal(dir string, root []byte, now time.Time, err error) error {
	if isLocal(err) {
		return KeepError(dir, err)
	}
	chain, bad := NewChain(root)
	if bad != nil {
		return refuse("root.json", bad)
	}
	if !chain.Expires().After(now) {
		return expired(Name(Root, chain.Version()), Root, now.Sub(chain.Expires()))
	}
	for _, role := range wholeRoles {
		name := string(role) + ".json"
		data, bad := os.ReadFile(filepath.Join(dir, name))
		if bad != nil {
			return KeepError(dir, bad)
		}
		doc, _, bad := chain.Check(role, data)
		if bad != nil {
			return refuse(name, bad)
		}
		if !doc.Expires.After(now) {
			return expired(name, role, now.Sub(doc.Expires))
		}
	}
	return refuse(TimestampFile, unknown(err))
}

// keepWhole copies what verified. now is when.
func keepWhole(dir string, now time.Time) error {
	whole := filepath.Join(dir, wholeDir)
	if err := os.MkdirAll(whole, 0o700); err != nil {
		return KeepError(dir, err)
	}
	for i := range wholeRoles { // the timestamp last: it leads to the others
		name := string(wholeRoles[len(wholeRoles)-1-i]) + ".json"
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return KeepError(dir, err)
		}
		if before, err := os.ReadFile(filepath.Join(whole, name)); err == nil && string(before) == string(data) {
			continue
		}
		if err := WriteFile(filepath.Join(whole, name), data); err != nil {
			return KeepError(dir, err)
		}
	}
	if err := os.Chtimes(filepath.Join(whole, TimestampFile), now, now); err != nil {
		return KeepError(dir, err)
	}
	return nil
}

// TimestampFile is the timestamp's name in a client's folder.
const TimestampFile = string(Timestamp) + ".json"

// heal sees to files that a power cut left empty or torn: go-tuf would end over
// them. What verified as a whole takes their place. A snapshot or targets without
// such a copy are read anew, the timestamp remembers their versions; a timestamp
// is not, for with it went what the catalogue is not to fall behind.
func heal(dir string) error {
	for _, role := range wholeRoles {
		name := string(role) + ".json"
		path := filepath.Join(dir, name)
		if readable(dir, role) {
			continue
		}
		switch whole := filepath.Join(dir, wholeDir); {
		case readable(whole, role) && exists(filepath.Join(whole, name)):
			data, err := os.ReadFile(filepath.Join(whole, name))
			if err == nil {
				err = WriteFile(path, data)
			}
			if err != nil {
				return KeepError(dir, err)
			}
		case role == Timestamp:
			err := fault.New(fault.Refused, "what is kept of this catalogue is damaged: %q cannot be read", path)
			return fault.Hint(err, "restore the file; without it nobody knows what the catalogue must not fall behind")
		default:
			if err := os.Remove(path); err != nil {
				return KeepError(dir, err)
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readable holds for a file that is not there, too.
func readable(dir string, role Role) bool {
	d, err := disk.Open(dir)
	if err != nil {
		return true
	}
	defer d.Close()
	data, err := d.Read(string(role)+".json", MaxLength(role))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	_, err = Parse(role, data)
	return err == nil
}

// WriteFile makes a file hold data, whole, for its owner alone; it survives a
// power cut.
func WriteFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// isLocal tells an error of this machine's file system.
func isLocal(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}

// KeepError is the error of a client's folder that cannot be read or written. Nothing
// is wrong with the catalogue then.
func KeepError(dir string, err error) error {
	var cause syscall.Errno
	hint := "galley must be able to write there: it remembers what the catalogue must not fall behind"
	if errors.As(err, &cause) {
		err = cause
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		hint = "make room on that disk; galley remembers there what the catalogue must not fall behind"
	}
	return fault.Hint(fault.New(fault.Unavailable, "keeping what is trusted in %q: %w", dir, err), "%s", hint)
}
