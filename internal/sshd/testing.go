package sshd

import (
	"context"
	"os"
)

// TB is what this package asks of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatal(args ...any)
	Skip(args ...any)
	Log(args ...any)
}

// StartT starts a server for one test and closes it at the test's end. Where none can
// be started the test is skipped with the reason; with CI=true it fails.
func StartT(t TB, opts Options) *Server {
	t.Helper()
	if err := Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("what the ssh server said:\n" + s.Log())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return s
}
