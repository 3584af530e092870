package restic

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// versions keeps what each program said, by its path.
var versions sync.Map

var versionLine = regexp.MustCompile(`^restic v?(\d+)\.(\d+)`)

// ready makes sure that there is a restic that can be driven, and a password: restic
// would ask for one.
func (r *Repository) ready(ctx context.Context) error {
	path, err := exec.LookPath(r.program())
	if err != nil {
		return r.cannotStart(err)
	}
	if r.PasswordFile == "" && r.PasswordCommand == "" && !PasswordInEnvironment() {
		err := &Error{Problem: NoPassword, text: "no password is given for the repository " + r.Location()}
		return fault.Hint(err, "name a file that has it with --password-file")
	}
	if _, known := versions.Load(path); known {
		return nil
	}
	said, err := version(ctx, path)
	if err != nil {
		return r.cannotStart(err)
	}
	if tooOld(said) {
		err := &Error{Problem: TooOld, text: fmt.Sprintf("%s is too old: %q; at least %s is needed", path, clip(said), Least)}
		return fault.Hint(err, "install a newer one: https://restic.net")
	}
	versions.Store(path, said)
	return nil
}

func version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.WaitDelay = time.Second
	detach(cmd, nil)
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return string(out), err
}

// tooOld tells that a version is below Least. One that cannot be read is a build of
// somebody who knows what it is.
func tooOld(said string) bool {
	found := versionLine.FindStringSubmatch(said)
	if found == nil {
		return false
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	return major == 0 && minor < 14
}
