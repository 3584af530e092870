package backup

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/deployer/backup/restic"
	"github.com/galley-coop/galley/internal/fault"
)

// passwordName is the file under the operator's folder that has the password where
// nothing else says it.
const passwordName = "backup-password"

// passwordFile is where restic shall read the password, "" where its own variables
// say it. The file that was named must be there; ours is made when make is true.
func (o *Options) passwordFile(make bool) (name string, made bool, err error) {
	if o.PasswordFile != "" {
		return o.PasswordFile, false, checkPassword(o.PasswordFile)
	}
	if restic.PasswordInEnvironment() {
		return "", false, nil
	}
	name = filepath.Join(o.Dir, passwordName)
	err = checkPassword(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, false, err
	}
	if !make {
		err := fault.New(fault.Unavailable, "no password is given for the backups, and %s is not there", name)
		return "", false, fault.Hint(err, "name the file that has it with --password-file, or put the copy that you kept there")
	}
	return name, true, makePassword(name)
}

// checkPassword tells early what restic would tell of a password file.
func checkPassword(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fault.Hint(fmt.Errorf("reading the backups' password: %w", err), "name the file that has it with --password-file")
	case info.Mode().IsRegular() && info.Size() == 0:
		return fault.New(fault.Unavailable, "the backups' password file %q is empty", name)
	case info.IsDir():
		return fault.New(fault.Unavailable, "the backups' password file %q is a folder", name)
	}
	return nil
}

// makePassword writes 256 random bits, for the owner alone. The caller holds the
// lock.
func makePassword(name string) error {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	text := base64.RawURLEncoding.EncodeToString(random) + "\n"
	if err := renameio.WriteFile(name, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the backups' password: %w", err)
	}
	return nil
}
