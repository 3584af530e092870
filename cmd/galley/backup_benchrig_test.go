package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/localregistry"
)

// backupBench is an app with a filled volume on an engine.
type backupBench struct {
	b            *testing.B
	dir          string
	env          []string
	galley       string
	empty        string // a repository
	repository   string // a copy of it
	repositories int
	far          string // a folder for temporary files
}

func newBackupBench(b *testing.B) *backupBench {
	private := lanes[0].Get(b)
	x := &backupBench{b: b, dir: b.TempDir()}
	docker, err := filepath.Abs(filepath.Join("..", "..", "build", "docker28", "docker"))
	if err == nil {
		_, err = os.Stat(docker)
	}
	if err != nil {
		b.Fatalf("%v: .ci/docker28 cli builds it", err)
	}
	if x.galley, err = releasedGalley(); err != nil {
		b.Fatal(err)
	}
	x.empty = filepath.Join(x.dir, "empty")
	x.far = filepath.Join(x.dir, strings.Repeat("far", 40))
	if err := os.Mkdir(x.far, 0o700); err != nil {
		b.Fatal(err)
	}
	password := filepath.Join(x.dir, "password")
	set := isolated(filepath.Join(x.dir, "home"))
	set["DOCKER_HOST"], set["DOCKER"], set["GALLEY"], set[deployer.CarrierVariable] = private.Host(), docker, x.galley, ""
	set["GALLEY_CATALOGUE"], set["RESTIC_PASSWORD_FILE"] = filepath.Join(x.dir, "public"), password
	set["PATH"] = os.Getenv("PATH")
	for name, value := range set {
		x.env = append(x.env, name+"="+value)
	}
	if err := os.WriteFile(password, []byte("password\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	registry, err := localregistry.Start(localregistry.WithAddr(private.BridgeAddr() + ":0"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = registry.Close() })
	image, err := localregistry.ShellImage("linux/"+private.Arch(), nil)
	if err == nil {
		err = registry.Push(b.Context(), "shell:1.0.0", image)
	}
	if err != nil {
		b.Fatal(err)
	}
	x.writeRecipe(registry.Addr)
	x.shell(nil, benchSetup)
	x.shell(x.tarImage(), `"$DOCKER" import - tar`)
	x.shell(nil, `"$DOCKER" run --rm tar tar --version`)
	x.shell(x.content(), `"$DOCKER" run --rm -i -v `+benchVolume+`:/v tar tar -C /v -x`)
	b.Cleanup(func() {
		if err := emptyEngine(context.Background(), private); err != nil {
			b.Error(err)
		}
	})
	version, api := private.Version()
	b.Logf("engine %s, API %s", version, api)
	return x
}

// benchSetup has the app deployed from a catalogue, and an empty repository.
const benchSetup = `
mkdir -p "$HOME"
git -C box init -q && git -C box add -A && git -C box commit -q -m box && git -C box tag -a -m 1.0.0 1.0.0+1.0.0
"$GALLEY" catalogue init
cp config.yml galley-catalogue.yml
"$GALLEY" catalogue build
"$GALLEY" catalogue sign
"$GALLEY" app new box --domain ` + benchApp + `
"$GALLEY" app deploy ` + benchApp + ` --yes
restic -r empty init
`

func (x *backupBench) writeRecipe(registry string) {
	for name, text := range map[string]string{
		"config.yml":      "name: ours\nsources:\n  - path: box\n",
		"box/abra.sh":     "",
		"box/README.md":   "# box\n",
		"box/.env.sample": "TYPE=box\n",
		"box/compose.yml": strings.ReplaceAll(benchRecipe, "REGISTRY", registry),
	} {
		path := filepath.Join(x.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			x.b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			x.b.Fatal(err)
		}
	}
}

const benchRecipe = `version: "3.8"

services:
  app:
    image: REGISTRY/shell:1.0.0
    stop_grace_period: 1s
    volumes:
      - data:/data
    deploy:
      update_config:
        monitor: 1s
      labels:
        - "coop-cloud.${STACK_NAME}.version=1.0.0+1.0.0"
        - "backupbot.backup=true"

volumes:
  data:
`

// command is a program in the bench's folder, with its environment.
func (x *backupBench) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(x.b.Context(), name, args...)
	cmd.Dir, cmd.Env = x.dir, x.env
	if x.repository != "" {
		cmd.Env = append(slices.Clone(x.env), "RESTIC_REPOSITORY="+x.repository, "RESTIC_CACHE_DIR="+x.repository+".cache")
	}
	return cmd
}

// shell runs a script, of which every command and every part of a pipe must succeed.
func (x *backupBench) shell(in io.Reader, script string) time.Duration {
	x.b.Helper()
	cmd := x.command("bash", "-euo", "pipefail", "-c", script)
	cmd.Stdin = in
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.b.Fatalf("%v: %s", err, out)
	}
	return time.Since(start)
}

// tarImage is Debian's tar with the libraries that it needs, as a root file system.
func (x *backupBench) tarImage() io.Reader {
	x.b.Helper()
	program, err := exec.LookPath("tar")
	if err != nil {
		x.b.Fatal(err)
	}
	libraries, err := exec.Command("ldd", program).Output()
	if err != nil {
		x.b.Fatalf("ldd %s: %v", program, err)
	}
	paths := map[string]string{"/bin/tar": program}
	for _, word := range strings.Fields(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			paths[word] = word
		}
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	for name, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			x.b.Fatal(err)
		}
		x.add(w, name, data)
	}
	if err := w.Close(); err != nil {
		x.b.Fatal(err)
	}
	return &image
}

func (x *backupBench) add(w *tar.Writer, name string, data []byte) {
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data)), ModTime: time.Unix(1_700_000_000, 0)})
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		x.b.Error(err)
	}
}

// content is a tar of what the volume is to hold: four fifths are four large files that do
// not compress, the rest are files of 40 kB, a hundred in a folder, that compress to a half.
func (x *backupBench) content() io.Reader {
	size := int64(backupBytes)
	if text := os.Getenv("GALLEY_BENCH_VOLUME"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			x.b.Fatal(err)
		}
	}
	const small = 40_000
	r, out := io.Pipe()
	go func() {
		noise := rand.NewChaCha8([32]byte{1})
		w := tar.NewWriter(out)
		for i := range 4 {
			data := make([]byte, size/5)
			_, _ = noise.Read(data)
			x.add(w, fmt.Sprintf("large%d", i), data)
		}
		data := make([]byte, small/2)
		for i := range size / 5 / small {
			_, _ = noise.Read(data)
			x.add(w, fmt.Sprintf("folder%d/file%d", i/100, i), []byte(hex.EncodeToString(data)))
		}
		out.CloseWithError(w.Close())
	}()
	return r
}

// spent is the processor time that this process's descendants have had so far, those
// that have ended among them: the engine and what runs in it are descendants.
func spent(b *testing.B) time.Duration {
	b.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	parents, ticks := map[int]int{}, map[int]int64{}
	self := os.Getpid()
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		parents[pid], _ = strconv.Atoi(fields[1])
		own := fields[11:15] // utime, stime, and those of children that were waited for
		if pid == self {
			own = own[2:]
		}
		for _, field := range own {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks[pid] += n
		}
	}
	var sum int64
	for pid, n := range ticks {
		for above := pid; above > 1; above = parents[above] {
			if above == self {
				sum += n
				break
			}
		}
	}
	const perSecond = 100 // of clock ticks (sysconf(3), _SC_CLK_TCK, on all that Go runs on)
	return time.Duration(sum) * time.Second / perSecond
}
