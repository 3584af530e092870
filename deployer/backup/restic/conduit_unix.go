//go:build unix

package restic

import (
	"errors"
	"os"
	"syscall"
)

// conduit is the way of a stream into restic: a pair of sockets, of which restic has
// both. That galley is gone is no end of the input then; only finish is one, as a
// shutdown is of the connection, and not of one of its holders (shutdown(2)).
type conduit struct{ ours, theirs *os.File }

func newConduit() (*conduit, error) {
	syscall.ForkLock.RLock() // until both are closed on exec
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	// The kernel counts its own needs, too, and takes twice as much (socket(7)).
	err = syscall.SetsockoptInt(fds[0], syscall.SOL_SOCKET, syscall.SO_SNDBUF, conduitBytes/2)
	c := &conduit{os.NewFile(uintptr(fds[0]), "restic's input"), os.NewFile(uintptr(fds[1]), "restic's input")}
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), c.theirs.Close(), c.ours.Close())
	}
	return c, nil
}

// finish ends restic's input.
func (c *conduit) finish() error {
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(c.ours.Fd()), syscall.SHUT_WR))
}
