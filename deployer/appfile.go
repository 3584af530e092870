package deployer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// createFile writes a new file that only its owner can read, whole or not at
// all. When there is one already it is fs.ErrExist, also when another process
// was a moment faster.
func createFile(path string, data []byte) error {
	temp, err := writeTemp(filepath.Dir(path), data, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	err = os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Some file systems have no links. There the check and the rename are two steps.
	if _, statErr := os.Lstat(path); statErr == nil {
		return fs.ErrExist
	}
	return os.Rename(temp, path)
}

// replaceFile puts data in a file's place and keeps its mode and owner. A link
// stays a link: the file it leads to is replaced.
func replaceFile(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp, err := writeTemp(filepath.Dir(path), data, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := keepOwner(temp, info); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// writeTemp writes data to a new file in dir and has it on the disk.
func writeTemp(dir string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(dir, ".galley-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}
