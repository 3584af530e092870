package restic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestPasswordIsNotInArguments(t *testing.T) {
	r, p := fresh(t)
	r.URL = serveREST(t, r.URL).url("ada:fLy-2-mOOn")
	seen := 0
	_, err := r.Store(t.Context(), StoreOptions{File: "/x"}, func(w io.Writer) error {
		if err := giving(p.data)(w); err != nil {
			return err
		}
		for _, pid := range childrenOf(t, os.Getpid()) {
			arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
			if bytes.Contains(arguments, []byte("--stdin")) {
				seen++
				holdsItsInput(t, pid)
			}
			for _, secret := range []string{testPassword, "fLy-2-mOOn"} {
				if bytes.Contains(arguments, []byte(secret)) {
					t.Errorf("the arguments are %q", arguments)
				}
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%v; %d of restic were seen", err, seen)
	}
}

// holdsItsInput fails the test unless a process has both ends of its input. This one
// never writes to the other, which nothing but finish closes.
func holdsItsInput(t *testing.T, pid int) {
	t.Helper()
	for _, fd := range []int{0, 3} {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err == nil && !strings.HasPrefix(to, "socket:") {
			t.Errorf("file %d of restic is %s", fd, to)
		}
	}
}

func TestInputEndsOnlyWhenItIsFinished(t *testing.T) {
	c, err := newConduit()
	if err != nil {
		t.Fatal(err)
	}
	defer c.theirs.Close()
	fd, err := syscall.Dup(int(c.ours.Fd())) // as restic has it
	if err != nil {
		t.Fatal(err)
	}
	held := &conduit{ours: os.NewFile(uintptr(fd), "held")}
	defer held.ours.Close()
	if err := c.ours.Close(); err != nil { // as galley's death does
		t.Fatal(err)
	}
	theirs := int(c.theirs.Fd())
	if err := syscall.SetNonblock(theirs, true); err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Read(theirs, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("with one of two holders gone: %d bytes, %v", n, err)
	}
	if err := held.finish(); err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Read(theirs, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

func TestSummaryIsCompared(t *testing.T) {
	for text, want := range map[string]bool{
		`{"message_type":"summary","total_bytes_processed":10,"snapshot_id":"0a1b2c3d"}`: true,
		`{"message_type":"summary","total_bytes_processed":9,"snapshot_id":"0a1b2c3d"}`:  false,
		`{"message_type":"summary","total_bytes_processed":10}`:                          false,
		`{"message_type":"summary","snapshot_id":"0a1b2c3d"}`:                            false,
		`{"message_type":"status","total_bytes_processed":10,"snapshot_id":"0a1b2c3d"}`:  false,
		"": false,
	} {
		var s summary
		if err := s.read(strings.NewReader("no json\n" + text + "\n")); err != nil {
			t.Fatal(err)
		}
		if stored, err := s.check("storing", 10); (err == nil) != want {
			t.Errorf("%s: %+v, %v", text, stored, err)
		}
	}
}

func TestCredentialsAreMasked(t *testing.T) {
	env := []string{
		"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "B2_ACCOUNT_KEY=0014aa55", "RESTIC_PASSWORD=open sesame",
		"AWS_DEFAULT_REGION=eu-central-1", "RESTIC_PASSWORD_FILE=/etc/galley/password", "OS_KEY=abc", "KEYBOARD=qwertz",
	}
	for text, want := range map[string]string{
		`dial rest:http://ada:fLy@2%2Fm%20n@host:8000/x: no`: `dial rest:http://***@host:8000/x: no`,
		`Head "https://ada:***@host/config": x`:              `Head "https://***@host/config": x`,
		`https://t0ken@host/x`:                               `https://***@host/x`,
		`the password is fLy@2%2Fm%20n or fLy@2/m n`:         `the password is *** or ***`,
		`sftp:backup@host:/galley`:                           `sftp:backup@host:/galley`,
		`signed with wJalrXUtnFEMI/K7MDENG by 0014aa55`:      `signed with *** by ***`,
		`open sesame`: `***`,
		`in eu-central-1 with qwertz and abc and /etc/galley/password`: `in eu-central-1 with qwertz and abc and /etc/galley/password`,
		"two\n lines":             `two lines`,
		strings.Repeat("ö", 1000): strings.Repeat("ö", 400) + "…",
	} {
		if got := newMask("rest:http://ada:fLy@2%2Fm%20n@host:8000/x", env).text(text); got != want {
			t.Errorf("%q is shown as %q, expected %q", text, got, want)
		}
	}
}

func TestWhatResticSaidIsOneLine(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"Save(<data/ab>) returned error, retrying after 1s\nFatal: unable to save snapshot: no space left on device\n":                                                                                            "unable to save snapshot: no space left on device",
		"write x: no space left on device\ngithub.com/restic/restic/internal/backend/local.(*Local).Save\n\tgithub.com/restic/restic/local.go:170\nmain.main\nruntime.goexit\nunable to create lock in backend\n": "write x: no space left on device; unable to create lock in backend",
		"\x1b[2Ksignal interrupt received, cleaning up\n":                                                  "",
		`{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}` + "\n": "wrong password or no key found",
		`{"message_type":"error","error":{"message":"lstat: gone"},"during":"scan","item":"/x"}` + "\n":    "/x: lstat: gone",
		"{broken\n": "{broken",
	} {
		if got := plain(said); got != want {
			t.Errorf("%q is %q, expected %q", said, got, want)
		}
	}
	for code, want := range map[int]Problem{10: NoRepository, 11: Locked, 12: WrongPassword, 1: Other} {
		if got := problemOf("something new", code); got != want {
			t.Errorf("exit code %d is problem %d, expected %d", code, got, want)
		}
	}
}
