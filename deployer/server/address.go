package server

import (
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// CheckAddress refuses what is no address of an engine: ssh://[user@]host[:port][/socket],
// unix:///socket or tcp://host:port. A password is refused and not repeated.
func CheckAddress(address string) error {
	bad := func(format string, args ...any) error {
		return fault.Hint(fault.New(fault.Usage, format, args...), "write it like ssh://user@host.example.org or unix:///var/run/docker.sock")
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }) || len(address) > 1024 {
		return bad("the address has blanks, control characters or more than 1024 bytes")
	}
	u, err := url.Parse(address)
	if err != nil {
		return bad("the address cannot be read") // the error would repeat it
	}
	if _, has := u.User.Password(); has {
		return bad("the address has a password in it: use a key, or an ssh agent")
	}
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		return bad("address %q: expected nothing behind the path", address)
	case u.Scheme == "unix" && (u.Host != "" || !path.IsAbs(u.Path)):
		return bad("address %q: expected the path of a socket, as in unix:///var/run/docker.sock", address)
	case u.Scheme == "unix":
		return nil
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(u.User.Username(), "-"):
		return bad("address %q: expected a host", address)
	case u.Scheme == "ssh":
		return nil
	case u.Scheme != "tcp":
		return bad("address %q: expected ssh://, unix:// or tcp://", address)
	}
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return bad("address %q: expected tcp://host:port", address)
	}
	return nil
}

func isSSH(address string) bool { return strings.HasPrefix(address, "ssh://") }
