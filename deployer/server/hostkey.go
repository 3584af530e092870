package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/galley-coop/galley/internal/fault"
)

// keyKinds are the kinds of host keys, as HostKeyAlgorithms has them: each is asked
// for in a connection of its own, as a host shows one key in each.
var keyKinds = []string{
	"ssh-ed25519",
	"ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
	"rsa-sha2-512,rsa-sha2-256",
}

// hostKey is a key that a host showed.
type hostKey struct {
	kind        string // "ssh-ed25519"
	fingerprint string // "SHA256:…", as ssh-keygen -l prints it
	line        string // of known_hosts, as ssh wrote it
}

// Trust makes sure that ssh knows the host's key and that it lets the operator in.
// accepted are fingerprints ("SHA256:…") that the operator vouches for: a key that the
// host shows and that is among them is added to known_hosts, and no other. Added lists
// those that were.
//
// Errors: a host key that is not known, and one that is another than known_hosts has,
// are fault.Refused; the first tells which keys the host shows.
func Trust(ctx context.Context, address string, accepted []string) (added []string, err error) {
	t, err := parseSSH(address)
	if err != nil {
		return nil, err
	}
	err = t.login(ctx)
	if !errors.Is(err, errHostKey) {
		return nil, err
	}
	shown, err := t.shown(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, k := range shown {
		if slices.Contains(accepted, k.fingerprint) {
			lines, added = append(lines, k.line), append(added, k.fingerprint)
		}
	}
	if len(lines) == 0 {
		return nil, t.unknown(shown, accepted)
	}
	if err := t.remember(ctx, lines); err != nil {
		return nil, err
	}
	return added, t.login(ctx)
}

func (t sshTo) unknown(shown []hostKey, accepted []string) error {
	var prints []string
	for _, k := range shown {
		prints = append(prints, fmt.Sprintf("%s (%s)", k.fingerprint, k.kind))
	}
	told := strings.Join(prints, ", ")
	if len(accepted) > 0 {
		err := fault.New(fault.Refused, "%s shows none of the host keys that were given: it shows %s", t.address, told)
		return fault.Hint(err, "ask who runs the machine: this may be another one")
	}
	err := fault.New(fault.Refused, "%s: %w; it shows %s", t.address, errHostKey, told)
	return fault.Hint(err, "compare with what the machine itself says (ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub), then add --host-key %s", shown[0].fingerprint)
}

// shown asks the host for its keys, by ssh itself: so it goes the same way, through
// the same proxies, as later.
func (t sshTo) shown(ctx context.Context) ([]hostKey, error) {
	dir, err := os.MkdirTemp("", "galley-host-keys-")
	if err != nil {
		return nil, fmt.Errorf("asking %s for its host keys: %w", t.address, err)
	}
	defer os.RemoveAll(dir)
	found := make([][]hostKey, len(keyKinds))
	words := make([]string, len(keyKinds))
	var asking sync.WaitGroup
	for i, kind := range keyKinds {
		asking.Go(func() { found[i], words[i] = t.show(ctx, kind, filepath.Join(dir, fmt.Sprint(i))) })
	}
	asking.Wait()
	all := slices.Concat(found...)
	if len(all) == 0 {
		return nil, fmt.Errorf("asking %s for its host keys: %s", t.address, lastLine(words[0]))
	}
	return all, nil
}

// show has ssh write one kind of host key to a known_hosts file of its own, and end
// before it has said who is there.
func (t sshTo) show(ctx context.Context, kind, file string) ([]hostKey, string) {
	flags := []string{
		"-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlPath=none",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "HostKeyAlgorithms=" + kind,
		"-o", fmt.Sprintf("UserKnownHostsFile=%q", file), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "PreferredAuthentications=none",
	}
	s, err := t.run(ctx, flags, "", "true")
	if err != nil {
		return nil, err.Error()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, s.err // the host has no such key, or was not reached
	}
	return readKnownHosts(string(text)), s.err
}

// readKnownHosts reads the keys of a known_hosts file that ssh wrote (sshd(8)): host,
// kind and key in base64 on each line.
func readKnownHosts(content string) []hostKey {
	var found []hostKey
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil {
			continue
		}
		sum := sha256.Sum256(blob)
		found = append(found, hostKey{fields[1], "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), strings.TrimSpace(line)})
	}
	return found
}

// remember appends lines to the operator's known_hosts. ssh appends to it, too, at any
// time: a new file under the old name could lose what it wrote meanwhile.
func (t sshTo) remember(ctx context.Context, lines []string) error {
	file, err := t.knownHosts(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("adding the host key: %w", err)
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("adding the host key: %w", err)
	}
	more := strings.Join(lines, "\n") + "\n"
	if len(old) > 0 && !strings.HasSuffix(string(old), "\n") {
		more = "\n" + more
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("adding the host key: %w", err)
	}
	_, err = f.WriteString(more)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("adding the host key to %s: %w", file, err)
	}
	return nil
}

// knownHosts is the first file in which ssh looks for the host, by its configuration.
func (t sshTo) knownHosts(ctx context.Context) (string, error) {
	s, err := t.run(ctx, []string{"-G"}, "", "true")
	if err != nil {
		return "", fmt.Errorf("asking ssh for its known_hosts: %w", err)
	}
	for line := range strings.Lines(s.out) {
		if value, ok := strings.CutPrefix(line, "userknownhostsfile "); ok {
			if files := strings.Fields(value); len(files) > 0 {
				return inHome(files[0])
			}
		}
	}
	return "", fmt.Errorf("asking ssh for its known_hosts: it names none: %s", lastLine(s.err))
}

// inHome expands what ssh expands in a file's name: ~ is the home in the user database
// for it, not HOME.
func inHome(file string) (string, error) {
	rest, short := strings.CutPrefix(file, "~/")
	if !short {
		rest, short = strings.CutPrefix(file, "%d/")
	}
	if short {
		who, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("finding ~/.ssh: %w", err)
		}
		file = filepath.Join(who.HomeDir, rest)
	}
	if !filepath.IsAbs(file) || strings.Contains(file, "%") {
		return "", fmt.Errorf("the known_hosts file %q is none that galley can write: add the key by hand", file)
	}
	return file, nil
}
