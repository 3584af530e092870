//go:build linux

package carrier

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// most is the memory in bytes that a helper may take for what these tests carry; it
// needs 10 MB. Were 450 bytes kept of each entry, the 50,000 would show it, and
// 200,000 would take the 100 MB that a helper may take beside the apps on a node.
const most = 32 << 20

// carryCommand builds the package as a command of its own, without the race
// detector, which would be what is measured.
func carryCommand(t testing.TB) string {
	t.Helper()
	command := filepath.Join(t.TempDir(), "carry")
	build := exec.Command("go", "build", "-o", command, "./testdata/carry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return command
}

// carryThrough packs root and unpacks it to another folder at the same time, in
// two processes, and fails when one takes too much memory.
func carryThrough(t *testing.T, root, to string) {
	t.Helper()
	command := carryCommand(t)
	r, w, err := os.Pipe()
	must(t, err)
	var errs [2]bytes.Buffer
	packing, unpacking := exec.Command(command, "pack", root), exec.Command(command, "unpack", to)
	packing.Stdout, packing.Stderr, unpacking.Stdin, unpacking.Stderr = w, &errs[0], r, &errs[1]
	must(t, unpacking.Start())
	must(t, packing.Start())
	w.Close()
	r.Close()
	for i, cmd := range []*exec.Cmd{packing, unpacking} {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v: %s", cmd.Args, err, errs[i].String())
		}
		var kilobytes int64
		if _, err := fmt.Sscanf(errs[i].String(), "VmHWM: %d kB", &kilobytes); err != nil {
			t.Fatalf("%s does not tell its memory: %q", cmd.Args[1], errs[i].String())
		}
		used := kilobytes << 10
		t.Logf("%s took %d MB", cmd.Args[1], used>>20)
		if used > most {
			t.Errorf("%s took %d MB", cmd.Args[1], used>>20)
		}
	}
}

func TestFiftyThousandFilesAreBounded(t *testing.T) {
	root, to := memoryFolder(t), memoryFolder(t)
	const in, each = 3, 12_500 // a folder's names are held; the folders' must not add up
	for i := range in {
		makeEmpty(t, filepath.Join(root, strings.Repeat("d", i+1)), each, unix.S_IFREG)
	}
	makeEmpty(t, filepath.Join(root, "folders"), each, unix.S_IFDIR)
	carryThrough(t, root, to)
	usage, err := Space(t.Context(), to)
	must(t, err)
	if usage.Files != in*each+each+in+1 {
		t.Errorf("%d arrived", usage.Files)
	}
}

// memoryFolder is on a file system in memory where there is one: so many files
// are no test of a disk.
func memoryFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "carrier")
	if err != nil {
		return folder(t)
	}
	t.Cleanup(func() { _ = Empty(t.Context(), dir); os.RemoveAll(dir) })
	return dir
}

func makeEmpty(t *testing.T, dir string, n int, kind uint32) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	fd, err := openRoot(dir)
	must(t, err)
	defer unix.Close(fd)
	for i := range n {
		name := "a file with a name of some length " + strings.Repeat("0", i%7) + string(rune('a'+i%26)) + strconv.Itoa(i)
		if kind == unix.S_IFDIR {
			must(t, unix.Mkdirat(fd, name, 0o755))
			continue
		}
		must(t, unix.Mknodat(fd, name, kind|0o644, 0))
	}
}

// TestLargeFileIsBounded carries a file without a hole of many times the memory that
// there is to be.
func TestLargeFileIsBounded(t *testing.T) {
	const size = 512 << 20
	root, to := folder(t), memoryFolder(t)
	f, err := os.Create(filepath.Join(root, "large"))
	must(t, err)
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		must(t, err)
	}
	_, err = f.WriteAt([]byte("end"), size-3)
	must(t, err)
	carryThrough(t, root, to)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "large"), &st))
	if st.Size != size || st.Blocks*512 < st.Size {
		t.Errorf("%d bytes in %d blocks arrived: the file was to have no hole", st.Size, st.Blocks)
	}
}

// TestUnreadableFileIsFatal packs as a user who may not read a file.
func TestUnreadableFileIsFatal(t *testing.T) {
	asRoot(t)
	root := folder(t)
	must(t, os.Chmod(root, 0o755))
	must(t, os.Chmod(write(t, "secret", root, "closed"), 0o600))
	write(t, "open", root, "open")
	command := carryCommand(t)
	program, err := os.ReadFile(command)
	must(t, err)
	// The user cannot come where the test's own files are.
	reachable := filepath.Join(folder(t), "carry")
	must(t, os.WriteFile(reachable, program, 0o755))
	must(t, os.Chmod(filepath.Dir(reachable), 0o755))
	pack := exec.Command(reachable, "pack", root)
	pack.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stderr bytes.Buffer
	pack.Stderr = &stderr
	if err := pack.Run(); err == nil || !strings.Contains(stderr.String(), "open closed: permission denied") {
		t.Errorf("%v: %q", err, stderr.String())
	}
}
