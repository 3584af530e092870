// Package shortcut is a way for a stream between a program in a container and one on the
// same machine that does not lead through the engine: a socket in a folder that the
// container is given. An engine hands streams on 32 kB at a time, through two programs
// and a frame around each piece, which costs as much processor time as reading a
// volume does.
//
// It refuses to be needed: where the two do not see the same files, or the program
// knows nothing of it, nobody comes to the socket, and the stream goes its usual way.
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
	// meetWithin bounds how long who comes waits for an answer.
	meetWithin = 10 * time.Second
	// sendBytes is how much may be on its way. The kernel may give less (socket(7)).
	sendBytes = 1 << 20
	// chunk is how much is handed on at a time.
	chunk = 256 << 10
)

// Shortcut is the end outside the container.
type Shortcut struct {
	// Dir is the folder for the container, on this machine.
	Dir string

	listener *net.UnixListener
	mutex    sync.Mutex
	conn     *net.UnixConn // once somebody came
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

// Meet waits until somebody comes, and is the connection to them, which Close ends. It is
// nil when NobodyElse or Close is called before: nobody came, and the stream goes the
// usual way. That holds for both: who was not answered by a Meet that gave a connection
// does not use it.
func (s *Shortcut) Meet() *net.UnixConn {
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return nil
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
			_ = conn.SetWriteBuffer(sendBytes) // it is as good without
			_, err = conn.Write([]byte{1})
		}
		if err == nil {
			return conn
		}
		_ = conn.Close()
	}
}

// Receive copies to w what somebody sends who comes, to its end; nothing when nobody
// does. The end of what they send is no error, whoever ended it: what was sent must tell
// by itself that it is whole.
func (s *Shortcut) Receive(w io.Writer) error {
	conn := s.Meet()
	if conn == nil {
		return nil
	}
	defer conn.Close()
	_, err := io.CopyBuffer(w, struct{ io.Reader }{conn}, make([]byte, chunk))
	return err
}

// NobodyElse ends the wait for somebody who has not come yet.
func (s *Shortcut) NobodyElse() { _ = s.listener.Close() }

// Came tells whether somebody came.
func (s *Shortcut) Came() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.conn != nil
}

// Close ends the wait, and what is under way. It may be called more than once.
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
	return usualOut{usual}
}

// Input is where a program in a container reads from, as Output is where it writes to.
func Input(usual io.Reader) io.ReadCloser {
	if conn, err := join(os.Getenv(Variable)); err == nil {
		return conn
	}
	return io.NopCloser(usual)
}

// join meets who waits at a socket.
func join(path string) (*net.UnixConn, error) {
	if path == "" {
		return nil, os.ErrNotExist
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}) // it does not wait
	if err != nil {
		return nil, err
	}
	if err := answered(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteBuffer(sendBytes) // it is as good without
	return conn, nil
}

func answered(conn *net.UnixConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(meetWithin)); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return err
	}
	return conn.SetReadDeadline(time.Time{})
}

type usualOut struct{ io.Writer }

func (usualOut) Close() error { return nil }
