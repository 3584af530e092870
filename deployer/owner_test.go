//go:build unix

package deployer

import (
	"os"
	"syscall"
	"testing"
)

func fileOwner(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	return stat.Uid, stat.Gid
}
