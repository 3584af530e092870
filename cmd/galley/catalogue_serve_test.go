package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/rules"
)

// TestServeProcess: galley serves, galley reads from it, and ctrl-C ends it with
// exit code 0.
func TestServeProcess(t *testing.T) {
	dir := t.TempDir()
	for name, value := range isolated(filepath.Join(dir, "home")) {
		t.Setenv(name, value)
	}
	public := emptyCatalogue(t, dir)
	server := exec.Command("galley", "catalogue", "serve", public, "--listen", "127.0.0.1:0", "-o", "json")
	var log bytes.Buffer
	server.Stderr = &log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Process.Kill() }()
	var ready struct{ Folder, Address string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil || ready.Folder != public {
		t.Fatalf("answer %+v, %v", ready, err)
	}
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"catalogue", "verify", ready.Address}, &bytes.Buffer{}, &stdout, &stderr); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("after ctrl-C: %v\n%s", err, log.String())
	}
	for _, line := range []string{
		`^galley: serving .*public at http://127.0.0.1:[0-9]+; end with ctrl-C\n`,
		`(?m)^127.0.0.1:[0-9]+ GET "/v1/index.json" 200, [0-9]+ bytes, [0-9.]+[mµ]s$`,
		`(?m)^127.0.0.1:[0-9]+ GET "/metadata/2.root.json" 404, 10 bytes, `,
	} {
		if !regexp.MustCompile(line).Match(log.Bytes()) {
			t.Errorf("%s is not in:\n%s", line, log.String())
		}
	}
}

// emptyCatalogue is a signed catalogue without recipes.
func emptyCatalogue(t *testing.T, dir string) string {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	if _, err := catalogue.Init(at("publisher"), catalogue.InitOptions{Name: "ours"}); err != nil {
		t.Fatal(err)
	}
	resolver := registry.New(registry.Options{})
	defer resolver.Close()
	build := catalogue.BuildOptions{Output: at("build"), Resolver: resolver, Rules: rules.All()}
	if _, err := catalogue.Build(t.Context(), catalogue.Config{Name: "ours"}, build); err != nil {
		t.Fatal(err)
	}
	if _, err := catalogue.Sign(t.Context(), catalogue.SignOptions{
		Build: at("build"), Public: at("public"), Keys: at("publisher/keys"), Root: at("publisher/root.json"),
	}); err != nil {
		t.Fatal(err)
	}
	return at("public")
}
