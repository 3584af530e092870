package bare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// makeTimeout bounds the making of a root, over a slow line.
	makeTimeout = 15 * time.Minute
	rootPrefix  = "root-"
	// User is a user of every machine who may become root by sudo without a password.
	User = "ops"
)

// rootPackages are what a bare machine has beside the smallest base system. There is
// nothing of an engine among them.
var rootPackages = []string{"systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2"}

// root returns a root directory that was made today, and makes it if there is none. It
// is shared by all that run at the same time, and never written to.
func root(ctx context.Context, cache string, s aptSource, by string) (string, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(cache, rootPrefix+s.codename+"-"+time.Now().UTC().Format("20060102"))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := dropOthers(cache); err != nil {
		return "", err
	}
	made := path + ".new"
	if err := makeRoot(ctx, made, s, by); err != nil {
		return "", errors.Join(err, os.RemoveAll(made))
	}
	return path, os.Rename(made, path)
}

// lock waits until nobody else makes a root.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// dropOthers removes the roots of other days, and what was begun.
func dropOthers(cache string) error {
	others, err := filepath.Glob(filepath.Join(cache, rootPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range others {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing an old root: %w", err)
		}
	}
	return nil
}

// makeRoot runs debootstrap, by the proxy that the machines have, too, and makes the
// user. It works on a tmpfs that nobody else sees: a package manager that waits for a
// disk after every file takes three times as long.
func makeRoot(ctx context.Context, path string, s aptSource, by string) error {
	work := path + ".work"
	for _, dir := range []string{path, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	log, err := os.Create(work + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	maker := exec.Command("sh", "-c", rootScript, "debootstrap", path, work, s.codename, s.mirror, strings.Join(rootPackages, ","), User)
	maker.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "http_proxy=" + by, "https_proxy=" + by, "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	maker.Stdout, maker.Stderr = log, log
	p, err := spawn(maker, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	case <-p.done:
	}
	if p.err != nil {
		said, _ := os.ReadFile(log.Name()) // what there is of it
		return fmt.Errorf("debootstrap of %s: %w: %s", s.codename, p.err, tail(string(said), 8))
	}
	return errors.Join(os.RemoveAll(work), os.Remove(log.Name()))
}

// rootScript: directory, work directory, release, mirror, packages, user. Host keys are
// for each machine to have.
const rootScript = `set -eu
mount -n --make-rprivate /
mount -n -t proc proc /proc
mount -n -t tmpfs -o mode=755 galley-bare "$2"
root=$2/root
debootstrap --variant=minbase --include="$5" "$3" "$root" "$4"
chroot "$root" useradd --create-home --shell /bin/bash "$6"
echo "$6 ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$6"
chmod 440 "$root/etc/sudoers.d/$6"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/cache/apt/archives/*.deb "$root"/etc/hostname "$root"/etc/resolv.conf
rm -rf "$root"/var/lib/apt/lists/*
cp -a "$root/." "$1/"
`
