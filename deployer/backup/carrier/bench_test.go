//go:build linux

package carrier

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The benchmarks have GNU tar beside galley, on the same files in the same place:
// go test -bench . -run '^$' ./deployer/backup/carrier (GALLEY_BENCH_DIR chooses
// the file system). What is compared goes through pipes, as in a backup.

func BenchmarkOneGigabyte(b *testing.B) {
	root := benchFolder(b)
	noise := rand.NewChaCha8([32]byte{1})
	for i := range 4 {
		f, err := os.Create(filepath.Join(root, fmt.Sprint("large", i)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyN(f, noise, 250_000_000); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	compare(b, root, 1_000_000_000)
}

func BenchmarkTwoHundredThousandFiles(b *testing.B) {
	root := benchFolder(b)
	makeFiles(b, root, 200, 1000)
	compare(b, root, 0)
}

func benchFolder(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("GALLEY_BENCH_DIR"), "carrier")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// makeFiles makes small files in folders.
func makeFiles(t testing.TB, root string, folders, each int) {
	t.Helper()
	for d := range folders {
		dir := filepath.Join(root, fmt.Sprintf("folder-%04d", d))
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		for i := range each {
			if err := os.WriteFile(fmt.Sprintf("%s/file-%06d", dir, i), fmt.Appendf(nil, "%d of %d\n", i, d), 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func compare(b *testing.B, root string, size int64) {
	b.Run("pack/galley", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			r, w, _ := os.Pipe()
			go func() {
				_, err := Pack(context.Background(), root, nil, w)
				if err != nil {
					b.Error(err)
				}
				w.Close()
			}()
			swallow(b, r)
		}
	})
	b.Run("pack/tar", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			tar := exec.Command("tar", "--sparse", "--xattrs", "-C", root, "-cf", "-", ".")
			r, _ := tar.StdoutPipe()
			if err := tar.Start(); err != nil {
				b.Fatal(err)
			}
			swallow(b, r)
			if err := tar.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
	packed := filepath.Join(benchFolder(b), "packed.tar")
	f, err := os.Create(packed)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := Pack(context.Background(), root, nil, f); err != nil {
		b.Fatal(err)
	}
	b.Run("unpack/galley", func(b *testing.B) {
		unpackEach(b, packed, size, func(dir string, in *os.File) error {
			_, err := Unpack(context.Background(), dir, in)
			return err
		})
	})
	b.Run("unpack/tar", func(b *testing.B) {
		unpackEach(b, packed, size, func(dir string, in *os.File) error {
			tar := exec.Command("tar", "--xattrs", "--xattrs-include=*", "-C", dir, "-xpf", "-")
			tar.Stdin = in
			return tar.Run()
		})
	})
}

func swallow(b *testing.B, r io.Reader) {
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, chunk)); err != nil {
		b.Fatal(err)
	}
}

// unpackEach unpacks into a new folder each time, through a pipe.
func unpackEach(b *testing.B, packed string, size int64, unpack func(dir string, in *os.File) error) {
	b.SetBytes(size)
	for b.Loop() {
		b.StopTimer()
		dir := benchFolder(b)
		cat := exec.Command("cat", packed)
		r, w, _ := os.Pipe()
		cat.Stdout = w
		b.StartTimer()
		if err := cat.Start(); err != nil {
			b.Fatal(err)
		}
		w.Close()
		if err := unpack(dir, r); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		r.Close()
		_ = cat.Wait()
		os.RemoveAll(dir)
		b.StartTimer()
	}
}
