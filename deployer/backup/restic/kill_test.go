package restic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// standInVariable has this binary be a galley that stores in the repository it names.
	standInVariable = "GALLEY_TEST_STORE"
	standInFile     = "/app.example.org/volume-killed.tar"
	standInBytes    = 24 << 20
)

// standIn stores data in small pieces, and tells before each how much there was.
func standIn(dir string) {
	r, err := repositoryIn(dir)
	if err == nil {
		data := noise(uint64(time.Now().UnixNano()), standInBytes)
		_, err = r.Store(context.Background(), StoreOptions{File: standInFile, Tags: []string{"killed"}}, func(w io.Writer) error {
			for i := 0; i < len(data); i += sliceBytes {
				fmt.Println(i)
				if _, err := w.Write(data[i : i+sliceBytes]); err != nil {
					return err
				}
			}
			fmt.Println("all")
			return nil
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilledAtRandomMoments kills a galley that stores, ten times, without a word to
// its restic: what was stored before stays, nothing that is not whole is stored, and
// the next one goes well.
func TestKilledAtRandomMoments(t *testing.T) {
	r, p := fresh(t)
	dir := strings.TrimSuffix(r.URL, "/repository")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		killOne(t, dir, random.IntN(standInBytes), time.Duration(random.IntN(3))*time.Millisecond)
	}
	all, err := r.Snapshots(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all[1:] { // killed after all was written, when restic had no more to wait for
		size := &counter{w: io.Discard}
		if err := r.Dump(t.Context(), s.ID, standInFile, size); err != nil || size.n != standInBytes {
			t.Errorf("a stream that was cut off at %d of %d bytes is stored, %v", size.n, standInBytes, err)
		}
	}
	p.intact(t, r)
	if _, err := r.Store(t.Context(), StoreOptions{File: preparedFile}, giving(p.data)); err != nil {
		t.Fatalf("after the kills: %v", err)
	}
	if err := r.Check(t.Context(), false); err != nil { // it needs the repository for itself: locks of the dead are in its way
		t.Error(err)
	}
}

// killOne kills a stand-in some time after it has written as much as reach.
func killOne(t *testing.T, dir string, reach int, later time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), standInVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, err := strconv.Atoi(lines.Text()); err != nil || at >= reach {
			break
		}
	}
	time.Sleep(later) // not a wait: the moment of the kill
	children := childrenOf(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range children {
		awaitEnd(t, pid)
	}
}

// childrenOf are the processes that a process started.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// awaitEnd waits until a process is gone, or nobody's.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	// An orphan ends by itself at its next word to nobody, which comes after twenty.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d lives on: %s", pid, stat)
		}
	}
}
