package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/localregistry"
)

// commands are what scripts have beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":     exits,
	"json":      checkJSON,
	"jsonenv":   jsonEnv,
	"fill":      fill,
	"stable":    stable,
	"sample":    sample,
	"release":   gitRelease,
	"damage":    damage,
	"login":     login,
	"registry":  startRegistry,
	"push":      push,
	"answering": answering,
	"webserve":  webserve,
	"flip":      flip,
	"flipeach":  flipEach,
	"signpast":  signPast,

	// of swarm scripts, in swarm_test.go
	"appimage":    appImage,
	"shellimage":  shellImage,
	"carrier":     carrierProgram,
	"lies":        registryLies,
	"killserver":  killServer,
	"inventory":   inventory,
	"flipread":    flipRead,
	"drift":       drift,
	"interrupt":   interrupt,
	"killed":      killed,
	"plainengine": plainEngine,
	"emptydns":    emptyDNS,

	// in sshserver_test.go
	"sshserver":   sshServer,
	"knowanother": knowAnother,
}

// exits CODE COMMAND…: the command ends with that code. Of galley's refusals it
// checks the form, too: one line of error, at most one of hint.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, expected %d", code, want)
	}
	if args[1] != "galley" || code < 2 || len(args) == 2 {
		return
	}
	if err := checkError(ts.ReadFile("stdout"), ts.ReadFile("stderr"), code, args[2] == "registry"); err != nil {
		ts.Fatalf("%v", err)
	}
}

// json PATH VALUE: the last command's standard output is JSON that has VALUE at
// PATH: keys and numbers with dots between them, or "len" for a list's length. Of
// several documents, as a deploy prints them, the last one counts.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] json PATH VALUE")
	}
	answer, err := lastJSON(ts.ReadFile("stdout"))
	ts.Check(err)
	got, err := at(answer, args[0])
	ts.Check(err)
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %q, expected %q (not: %v)", args[0], got, args[1], neg)
	}
}

// lastJSON is the last of the documents in a text that has nothing else.
func lastJSON(text string) (last any, err error) {
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var document any
		if err := d.Decode(&document); err != nil {
			if errors.Is(err, io.EOF) && last != nil {
				return last, nil
			}
			return nil, err
		}
		last = document
	}
}

// jsonenv NAME PATH: the variable gets the value at PATH of the last command's
// JSON answer.
func jsonEnv(ts *testscript.TestScript, _ bool, args []string) {
	answer, err := lastJSON(ts.ReadFile("stdout"))
	ts.Check(err)
	value, err := at(answer, args[1])
	ts.Check(err)
	ts.Setenv(args[0], value)
}

// at is the value at a path of keys, numbers and "len", as text.
func at(value any, path string) (string, error) {
	for step := range strings.SplitSeq(path, ".") {
		list, isList := value.([]any)
		object, _ := value.(map[string]any)
		n, err := strconv.Atoi(step)
		next, ok := object[step]
		switch {
		case isList && step == "len":
			next = len(list)
		case isList && err == nil && n < len(list):
			next = list[n]
		case !ok:
			return "", fmt.Errorf("there is no %q of %q in the JSON answer", step, path)
		}
		value = next
	}
	return fmt.Sprint(value), nil
}

// fill NAME… FILE: @NAME@ in the file becomes the value of the variable NAME.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[len(args)-1])
	data, err := os.ReadFile(file)
	ts.Check(err)
	for _, name := range args[:len(args)-1] {
		data = bytes.ReplaceAll(data, []byte("@"+name+"@"), []byte(ts.Getenv(name)))
	}
	ts.Check(os.WriteFile(file, data, 0o644))
}

var (
	digests   = regexp.MustCompile(`sha256:[0-9a-f]{12,64}`)
	addresses = regexp.MustCompile(`\b(127|169|172|192|10)(\.[0-9]{1,3}){3}:[0-9]+`)
)

// stable FROM TO: FROM is written to TO with digests and addresses made alike,
// for cmp: they depend on ports, and on the release of Go that compressed a layer.
func stable(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: stable FROM TO")
	}
	text := digests.ReplaceAllString(ts.ReadFile(args[0]), "sha256:0")
	text = addresses.ReplaceAllString(text, "ADDRESS")
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// sample DIR: DIR becomes a copy of testdata/recipe, a recipe without findings.
func sample(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(stageOf(ts).sample)))
}

// damage DIR: every loose object of the repository loses its end.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	objects, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), ".git", "objects", "??", "*"))
	ts.Check(err)
	for _, object := range objects {
		ts.Check(os.Chmod(object, 0o600))
		ts.Check(os.Truncate(object, 10))
	}
}

// login USER PASSWORD: the docker config has a login for $REGISTRY, as after
// "docker login".
func login(ts *testscript.TestScript, _ bool, args []string) {
	auth := base64.StdEncoding.EncodeToString([]byte(args[0] + ":" + args[1]))
	config, err := json.Marshal(map[string]any{"auths": map[string]any{ts.Getenv("REGISTRY"): map[string]string{"auth": auth}}})
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.Getenv("DOCKER_CONFIG"), 0o700))
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("DOCKER_CONFIG"), "config.json"), config, 0o600))
}

// release DIR VERSION: git adds and commits all in DIR, and tags it.
func gitRelease(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: release DIR VERSION")
	}
	dir := ts.MkAbs(args[0])
	steps := [][]string{{"add", "-A"}, {"commit", "-q", "--allow-empty", "-m", "release " + args[1]}, {"tag", "-a", "-m", "chore: publish " + args[1] + " release", args[1]}}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		steps = append([][]string{{"init", "-q", "-b", "main"}}, steps...)
	}
	for _, step := range steps {
		ts.Check(ts.Exec("git", append([]string{"-C", dir}, step...)...))
	}
}

// registry [basic USER PASSWORD]: a registry runs until the script's end;
// $REGISTRY is its address.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	var options []localregistry.Option
	if len(args) == 3 && args[0] == "basic" {
		options = append(options, localregistry.WithBasicAuth(args[1], args[2]))
	}
	r, err := localregistry.Start(options...)
	ts.Check(err)
	ts.Defer(func() { _ = r.Close() })
	stageOf(ts).registry = r
	ts.Setenv("REGISTRY", r.Addr)
}

// push REPOSITORY:TAG SEED [PLATFORM…]: a tiny image is in the registry.
func push(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: push REPOSITORY:TAG SEED [PLATFORM…]")
	}
	image, err := localregistry.TinyImage(args[1], args[2:]...)
	ts.Check(err)
	ts.Check(stageOf(ts).registry.Push(context.Background(), args[0], image))
}

// answering STATUS TYPE BODY: a web server gives one answer to everything;
// $REGISTRY and $URL are its address.
func answering(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", args[1])
		w.WriteHeader(status)
		_, _ = w.Write([]byte(args[2]))
	}))
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
	ts.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
}

// webserve DIR: a web server serves the folder; $URL is its address.
func webserve(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	server := httptest.NewServer(stageOf(ts).record(dir, http.FileServer(http.Dir(dir))))
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
}

// flip FILE: the lowest bit of the file's middle byte is inverted. A pattern
// must name one file. $FLIPPED is its name without the folder.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s names %d files, expected one", args[0], len(found))
	}
	ts.Check(flipMiddle(found[0]))
	ts.Setenv("FLIPPED", filepath.Base(found[0]))
}

// flipeach DIR ARGUMENT…: for each file below DIR, with its middle bit flipped,
// galley ARGUMENT… ends with 4 and names that file first.
func flipEach(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filesBelow(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) < 8 {
		ts.Fatalf("there are only %d files in %s", len(files), args[0])
	}
	for _, file := range files {
		path := filepath.Join(ts.MkAbs(args[0]), file)
		ts.Check(flipMiddle(path))
		exits(ts, false, append([]string{"4", "galley"}, args[1:]...))
		if out := ts.ReadFile("stdout"); !strings.HasPrefix(out, file+" ") {
			ts.Fatalf("%s is not named first in:\n%s", file, out)
		}
		ts.Check(flipMiddle(path))
	}
}

func filesBelow(dir string) ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, name)
		}
		return err
	})
	return files, err
}

func flipMiddle(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(name, data, 0o644)
}

// signpast DAYS DIR: galley catalogue sign in DIR, as it was so many days ago.
func signPast(ts *testscript.TestScript, _ bool, args []string) {
	days, err := strconv.Atoi(args[0])
	ts.Check(err)
	at := func(name string) string { return filepath.Join(ts.MkAbs(args[1]), name) }
	_, err = catalogue.Sign(context.Background(), catalogue.SignOptions{
		Build: at("build"), Public: at("public"), Keys: at("keys"), Root: at("root.json"),
		Now: time.Now().AddDate(0, 0, -days),
	})
	ts.Check(err)
}
