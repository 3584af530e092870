package bare

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	keyName     = "key"
	hostKeyName = "ssh_host_ed25519_key"
	// idPrefix marks cgroups and processes of sites.
	idPrefix = "galley-bare-"
	// closeTime is how long a site may take to be gone.
	closeTime = time.Minute
)

// Options say what a site is to be.
type Options struct {
	// Dir is where the site keeps its files, below it; "" is os.TempDir().
	Dir string
	// Cache is where roots are kept, by day.
	Cache string
	// Machines are the host names. Those in Plain do without a systemd that runs.
	Machines, Plain []string
}

// Site is a network with bare machines on it.
type Site struct {
	Machines []*Machine

	id, dir string
	root    string
	apt     aptSource
	net     *network
	proxy   *proxy
}

// Available tells why no site can be started here; nil when one can.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("bare machines need root")
	}
	for _, tool := range []string{"debootstrap", "apt-get", "ip", "nsenter", "ssh", "ssh-keygen", "pivot_root"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("bare machines need %s: %w", tool, err)
		}
	}
	return nil
}

// Start starts a site and returns when the sshd of every machine answers. Nothing is
// left when it fails.
func Start(ctx context.Context, o Options) (s *Site, err error) {
	if err := Available(); err != nil {
		return nil, err
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // it never fails
	s = &Site{id: idPrefix + hex.EncodeToString(random)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting bare machines: %w", err), s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp(o.Dir, idPrefix); err != nil {
		return s, err
	}
	if s.apt, err = hostSource(ctx); err != nil {
		return s, err
	}
	if s.net, err = startNetwork(ctx, hex.EncodeToString(random)); err != nil {
		return s, err
	}
	if s.proxy, err = startProxy(netip.AddrPortFrom(s.net.host, 0).String(), s.apt.proxy); err != nil {
		return s, err
	}
	cache, err := filepath.Abs(o.Cache)
	if err != nil {
		return s, err
	}
	if s.root, err = root(ctx, cache, s.apt, s.proxy.url); err != nil {
		return s, err
	}
	if err := s.prepareSSH(ctx); err != nil {
		return s, err
	}
	for i, name := range o.Machines {
		if _, err := s.start(ctx, name, slices.Contains(o.Plain, name), i); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Host is the host's address on the site's network.
func (s *Site) Host() netip.Addr { return s.net.host }

// Close ends the machines and takes away all that the site made.
func (s *Site) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	for _, m := range s.Machines {
		m.process.kill()
		_ = m.gate.Close()
	}
	if s.proxy != nil {
		errs = append(errs, s.proxy.close())
	}
	if s.net != nil {
		errs = append(errs, s.net.close(ctx))
	}
	errs = append(errs, until(ctx, dialTime, func() error { return removeCgroups(s.id) }))
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// removeCgroups removes what a site's engines left in the host's cgroup hierarchies.
func removeCgroups(id string) error {
	found, err := filepath.Glob("/sys/fs/cgroup/*/" + id + "*")
	if err != nil {
		return err
	}
	unified, err := filepath.Glob("/sys/fs/cgroup/" + id + "*")
	if err != nil {
		return err
	}
	found = append(found, unified...)
	var errs []error
	for _, top := range found {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil // what is gone is gone
		})
		slices.Reverse(dirs) // children before their parents
		for _, dir := range dirs {
			if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// prepareSSH makes the operator's key and configuration, and a program "ssh" that uses
// them: ssh reads ~/.ssh of the user database, whatever HOME says.
func (s *Site) prepareSSH(ctx context.Context) error {
	if err := makeKey(ctx, filepath.Join(s.dir, keyName)); err != nil {
		return err
	}
	config := fmt.Sprintf("IdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\nGlobalKnownHostsFile /dev/null\n",
		filepath.Join(s.dir, keyName), filepath.Join(s.dir, "known_hosts"))
	if err := os.WriteFile(filepath.Join(s.dir, "ssh_config"), []byte(config), 0o600); err != nil {
		return err
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.Bin(), 0o755); err != nil {
		return err
	}
	wrapper := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", program, filepath.Join(s.dir, "ssh_config"))
	return os.WriteFile(filepath.Join(s.Bin(), "ssh"), []byte(wrapper), 0o755)
}

// Bin is a directory with an ssh that knows the machines by their names, and has the
// operator's key and known_hosts. In front of PATH it stands for the operator's own.
func (s *Site) Bin() string { return filepath.Join(s.dir, "bin") }

// addHost tells the operator's ssh where a machine is. Its host key it does not know:
// that is for the operator to vouch for.
func (s *Site) addHost(m *Machine) error {
	f, err := os.OpenFile(filepath.Join(s.dir, "ssh_config"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "Host %s\n\tHostName %s\n\tHostKeyAlias %s\n", m.Name, m.Addr, m.Name)
	return errors.Join(err, f.Close())
}

func makeKey(ctx context.Context, path string) error {
	_, err := run(ctx, toolTimeout, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", strings.TrimSuffix(idPrefix, "-"), "-f", path)
	return err
}
