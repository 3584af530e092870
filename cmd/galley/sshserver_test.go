package main

import (
	"context"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galley-coop/galley/internal/sshd"
)

// sshserver: an ssh server whose sessions find the script's engine. SSHD is its
// address, SSH_KEY its host key's fingerprint, which the operator's ssh, first in PATH,
// does not know; KNOWN_HOSTS is where it would.
func sshServer(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	if err := sshd.Available(); err != nil && os.Getenv("CI") != "true" {
		s.t.Skip(err)
	}
	server, err := sshd.Start(context.Background(), sshd.Options{Env: map[string]string{"DOCKER_HOST": s.engine.Host()}})
	ts.Check(err)
	ts.Defer(func() {
		if err := server.Close(); err != nil {
			s.t.Error(err)
		}
	})
	client, err := sshd.NewClient(context.Background(), ts.MkAbs(".ssh"), server)
	ts.Check(err)
	prints, err := server.Fingerprints()
	ts.Check(err)
	ts.Setenv("SSHD", server.Addr)
	ts.Setenv("SSH_KEY", prints[0])
	ts.Setenv("KNOWN_HOSTS", client.KnownHosts)
	ts.Setenv("PATH", client.Bin+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// knowanother: the operator's ssh knows the server by a host key that is not its.
func knowAnother(ts *testscript.TestScript, _ bool, _ []string) {
	_, port, _ := strings.Cut(ts.Getenv("SSHD"), ":")
	another, err := sshd.Start(context.Background(), sshd.Options{})
	ts.Check(err)
	key, err := another.HostKey()
	ts.Check(err)
	ts.Check(another.Close())
	ts.Check(os.WriteFile(ts.Getenv("KNOWN_HOSTS"), []byte("[127.0.0.1]:"+port+" "+key+"\n"), 0o600))
}
