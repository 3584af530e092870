// Package shortcut is a way for the output of a program in a container to one on the
// same machine that does not lead through the engine: a socket in a folder that the
// container is given. An engine hands output on 32 kB at a time, through two programs
// and a frame around each piece, which costs as much processor time as reading a
// volume does.
//
// It refuses to be needed: where the two do not see the same files, or the program
// knows nothing of it, nobody comes to the socket, and the output goes its usual way.
package shortcut

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Variable has, in the container, the path of the socket.
	Variable = "GALLEY_SHORTCUT"
	// Target is the folder's path in the container, Path the socket's.
	Target = "/shortcut"
	Path   = Target + "/" + socketName

	socketName = "socket"
	// meetWithin bounds how long the two wait for each other once they met.
	meetWithin = 10 * time.Second
	// sendBytes is how much may be on its way. The kernel may give less (socket(7)).
	sendBytes = 1 << 20
	// chunk is how much is handed on at a time.
	chunk = 256 << 10
)

// Shortcut is the end that receives.
type Shortcut struct {
	// Dir is the folder for the container, on this machine.
	Dir string

	listener *net.UnixListener
	mutex    sync.Mutex
	conn     net.Conn // once somebody came
	closed   bool
}

// Open makes a folder with a socket, in the folder for temporary files for "". Close must
// follow. Folders there that processes left which were killed are removed first.
func Open(in string) (*Shortcut, error) {
	in = cmp.Or(in, os.TempDir())
	sweep(in)
	dir, err := os.MkdirTemp(in, fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Shortcut{Dir: dir, listener: listener}, nil
}

const prefix = "galley-shortcut-"

// sweep removes the folders of processes that are gone. One in another PID namespace
// may be taken for gone: its output goes the usual way then.
func sweep(in string) {
	left, err := filepath.Glob(filepath.Join(in, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(number)
		if err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // somebody else's cannot be
		}
	}
}

// Receive waits until somebody comes, and copies to w what they send, to its end. When
// NobodyElse or Close is called before, nobody came, and all went the usual way. The end
// of what they send is no error, whoever ended it: what was sent must tell by itself
// that it is whole.
func (s *Shortcut) Receive(w io.Writer) error {
	conn, err := s.accept()
	if err != nil {
		return nil // closed, and nobody came
	}
	defer conn.Close()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{conn}, make([]byte, chunk))
	return err
}

// NobodyElse says that who has not come and was answered will not come any more.
func (s *Shortcut) NobodyElse() { _ = s.listener.Close() }

// accept meets who comes: they go the usual way until they were answered.
func (s *Shortcut) accept() (net.Conn, error) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return nil, err
		}
		_ = os.RemoveAll(s.Dir) // nobody else is to come; Close tries again
		s.mutex.Lock()
		if s.closed {
			err = net.ErrClosed
		} else {
			s.conn = conn
		}
		s.mutex.Unlock()
		if err == nil {
			_, err = conn.Write([]byte{1})
		}
		if err == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close ends Receive, and what is under way. It may be called more than once.
func (s *Shortcut) Close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	_ = s.listener.Close()
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = os.RemoveAll(s.Dir)
}

// Output is where a program in a container writes to: the shortcut that its environment
// names, when somebody answers there, or usual, which Close leaves open. Close must be
// called at the end of what is written.
func Output(usual io.Writer) io.WriteCloser {
	if conn, err := join(os.Getenv(Variable)); err == nil {
		return conn
	}
	return noClose{usual}
}

func join(path string) (net.Conn, error) {
	if path == "" {
		return nil, os.ErrNotExist
	}
	conn, err := net.DialTimeout("unix", path, meetWithin)
	if err != nil {
		return nil, err
	}
	if err := answered(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if unix, ok := conn.(*net.UnixConn); ok {
		_ = unix.SetWriteBuffer(sendBytes) // it is as good without
	}
	return conn, nil
}

func answered(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(meetWithin)); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

type noClose struct{ io.Writer }

func (noClose) Close() error { return nil }
