package shortcut

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func open(t *testing.T) *Shortcut {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	t.Setenv(Variable, filepath.Join(s.Dir, socketName))
	return s
}

// receive has what comes copied in a goroutine.
func receive(s *Shortcut, w io.Writer) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- s.Receive(w) }()
	return ended
}

func TestOutputComes(t *testing.T) {
	s := open(t)
	var got, usual bytes.Buffer
	ended := receive(s, &got)
	out := Output(&usual)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	for part := range slices.Chunk(sent, 100_001) {
		if _, err := out.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	s.NobodyElse() // who came goes on
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || !bytes.Equal(got.Bytes(), sent) || usual.Len() > 0 {
		t.Errorf("%v: %d bytes came of %d, %d the usual way", err, got.Len(), len(sent), usual.Len())
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
}

func TestInputGoes(t *testing.T) {
	s := open(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	go func() {
		conn := s.Meet()
		if conn == nil {
			return
		}
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	in := Input(strings.NewReader("the usual way"))
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%v: %d bytes came of %d", err, len(got), len(sent))
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// TestUsualWay has nobody to answer at the other end.
func TestUsualWay(t *testing.T) {
	dir := t.TempDir()
	mute := filepath.Join(dir, "mute")
	listener, err := net.Listen("unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"none": "", "no folder": "/nowhere/socket", "no socket": file, "no answer": mute} {
		t.Setenv(Variable, path)
		var usual bytes.Buffer
		out := Output(&usual)
		_, err := io.WriteString(out, "as ever")
		if err := errors.Join(err, out.Close()); err != nil || usual.String() != "as ever" {
			t.Errorf("%s: %v, %q", name, err, &usual)
		}
		got, err := io.ReadAll(Input(strings.NewReader("as ever")))
		if err != nil || string(got) != "as ever" {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}

// TestNobodyComes ends the wait, and who comes late goes the usual way.
func TestNobodyComes(t *testing.T) {
	for name, end := range map[string]func(*Shortcut){"nobody else": (*Shortcut).NobodyElse, "closed": (*Shortcut).Close} {
		s := open(t)
		var got, usual bytes.Buffer
		ended := receive(s, &got)
		end(s)
		if err := <-ended; err != nil || got.Len() > 0 {
			t.Errorf("%s: %v, %q", name, err, &got)
		}
		if _, err := io.WriteString(Output(&usual), "late"); err != nil || usual.String() != "late" {
			t.Errorf("%s: %v, %q", name, err, &usual)
		}
	}
}

// TestCloseEndsWhatIsUnderWay is for who gives up.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	s := open(t)
	first := make(chan struct{}, 1)
	ended := receive(s, writer(func(p []byte) (int, error) {
		select {
		case first <- struct{}{}:
		default:
		}
		return len(p), nil
	}))
	out := Output(io.Discard)
	if _, err := io.WriteString(out, "the beginning"); err != nil {
		t.Fatal(err)
	}
	<-first
	s.Close()
	if err := <-ended; err == nil {
		t.Error("half of it was taken for the whole")
	}
	if _, err := out.Write(bytes.Repeat([]byte("x"), 4<<20)); err == nil {
		t.Error("who sends does not notice")
	}
}

// TestSinkThatFails tells its error.
func TestSinkThatFails(t *testing.T) {
	s := open(t)
	full := errors.New("nobody takes it")
	ended := receive(s, writer(func([]byte) (int, error) { return 0, full }))
	_, _ = io.WriteString(Output(io.Discard), "something") // that fails or not, as it happens
	if err := <-ended; !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestWhatTheDeadLeft is removed, and what others have is not.
func TestWhatTheDeadLeft(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	in := t.TempDir()
	gone := filepath.Join(in, fmt.Sprintf("%s%d-1", prefix, dead.Process.Pid))
	stay := []string{fmt.Sprintf("%s%d-1", prefix, os.Getpid()), prefix + "x-1", "another-1-1"}
	for _, name := range append(stay, filepath.Base(gone)) {
		if err := os.Mkdir(filepath.Join(in, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a dead process left is there: %v", err)
	}
	for _, name := range stay {
		if _, err := os.Stat(filepath.Join(in, name)); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(s.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	if s, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		s.Close()
		t.Error("a folder in none")
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100)) // a socket's path has 108 bytes at most (unix(7))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(long); err == nil {
		s.Close()
		t.Error("a path that is too long")
	}
	if left, err := os.ReadDir(long); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
