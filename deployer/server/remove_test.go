package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestRemove(t *testing.T) {
	dir := operator(t)
	add := func(o AddOptions) {
		t.Helper()
		o.NoCheck = true
		if _, err := Add(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Remove(dir, "prod1", false)
	failsWith(t, err, fault.Usage, "no server")
	add(AddOptions{Name: "prod1", Address: "unix:///x", Nodes: []Node{{"node2", "unix:///y"}}})
	env := filepath.Join(Folder(dir, "prod1"), "a.example.org.env")
	writeFile(t, env, "TYPE=a\n")
	_, err = Remove(dir, "prod1", false)
	failsWith(t, err, fault.Usage, "1 env file: a.example.org.env", "--force")
	if have, err := readContext("prod1"); err != nil || have == nil {
		t.Errorf("a refusal removed the context: %v", err)
	}
	r, err := Remove(dir, "prod1", true)
	if err != nil || !r.Context || !r.NodesFile || r.Folder || !slices.Equal(r.Stays, []string{"a.example.org.env"}) || !slices.Equal(r.Contexts, []string{"node2"}) {
		t.Errorf("%+v, %v", r, err)
	}
	if got := readFile(t, env); got != "TYPE=a\n" {
		t.Errorf("the env file became %q", got)
	}
	add(AddOptions{Name: "prod2", Address: "unix:///x"})
	writeFile(t, filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), `{"currentContext":"prod2"}`)
	_, err = Remove(dir, "prod2", false)
	failsWith(t, err, fault.Usage, "docker's own tools use", "docker context use default")
	if r, err := Remove(dir, "prod2", true); err != nil || !r.Folder {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := os.Stat(Folder(dir, "prod2")); err == nil {
		t.Error("the empty folder is left")
	}
}
