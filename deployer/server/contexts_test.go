package server

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// docker runs the docker CLI with the test's contexts.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("docker")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DOCKER_HOST=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %q: %v: %s", args, err, out)
	}
	return string(out)
}

func TestDockerSeesTheContext(t *testing.T) {
	operator(t)
	if err := writeContext("prod1", "ssh://ops@prod1.example.org"); err != nil {
		t.Fatal(err)
	}
	got := docker(t, "context", "ls", "--format", "{{.Name}} {{.DockerEndpoint}}")
	if !strings.Contains(got, "prod1 ssh://ops@prod1.example.org") {
		t.Errorf("docker context ls says %q", got)
	}
	docker(t, "context", "create", "other", "--description", "kept", "--docker", "host=unix:///x.sock")
	if err := writeContext("other", "unix:///y.sock"); err != nil {
		t.Fatal(err)
	}
	got = docker(t, "context", "ls", "--format", "{{.Name}} {{.Description}} {{.DockerEndpoint}}")
	if !strings.Contains(got, "other kept unix:///y.sock") {
		t.Errorf("the context that docker made became %q", got)
	}
	all, err := Contexts()
	if err != nil || len(all) != 2 || all[0] != (Context{"other", "unix:///y.sock"}) || all[1].Name != "prod1" {
		t.Errorf("contexts %v, %v", all, err)
	}
	if err := removeContext("other"); err != nil {
		t.Fatal(err)
	}
	if got := docker(t, "context", "ls", "-q"); strings.Contains(got, "other") {
		t.Errorf("after removal docker still sees %q", got)
	}
}

func TestContextKeepsWhatIsNotKnown(t *testing.T) {
	operator(t)
	file, err := deployer.ContextFile("prod1")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, `{"Name":"prod1","Metadata":{"Other":1},"Endpoints":{"docker":{"Host":"unix:///a"},"x":{"Y":2}},"Later":[3]}`)
	if err := writeContext("prod1", "unix:///b"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(readFile(t, file)), &got); err != nil {
		t.Fatal(err)
	}
	endpoints := got["Endpoints"].(map[string]any)
	if got["Later"] == nil || endpoints["x"] == nil || got["Metadata"].(map[string]any)["Other"] == nil || endpoints["docker"].(map[string]any)["Host"] != "unix:///b" {
		t.Errorf("%v", got)
	}
}

func TestCurrentContext(t *testing.T) {
	operator(t)
	if got := currentContext(); got != "" {
		t.Errorf("current context %q without a configuration", got)
	}
	writeFile(t, filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), `{"currentContext":"prod1"}`)
	if got := currentContext(); got != "prod1" {
		t.Errorf("current context %q", got)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"prod1", "a.b-c_d+e", strings.Repeat("x", 128)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "x", "default", "../x", "a b", "-x", ".x", "a/b", strings.Repeat("x", 129)} {
		failsWith(t, CheckName(bad), fault.Usage)
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"ssh://host", "ssh://ops@host:22", "ssh://ops@[::1]:22", "ssh://host/run/user/1/docker.sock", "unix:///run/docker.sock", "tcp://10.0.0.1:2376"} {
		if err := CheckAddress(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "host", "ssh://", "ssh://-oProxyCommand=x", "ssh://-l@host", "ssh://a b", "unix://run/x", "unix://", "tcp://host", "tcp://host:1/x", "http://host:1", "ssh://host?x=1", "ssh://host#x"} {
		failsWith(t, CheckAddress(bad), fault.Usage)
	}
	err := CheckAddress("ssh://ops:hunter2@host")
	failsWith(t, err, fault.Usage, "has a password")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats the password: %v", err)
	}
}

func TestNodesFile(t *testing.T) {
	dir := operator(t)
	if err := makeFolder(dir, "prod1"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(Folder(dir, "prod1"), nodesName)
	if added, err := AddNode(dir, "prod1", "ssh://ops@node2"); err != nil || !added {
		t.Fatal(added, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	writeFile(t, file, "# ours\nnode9 # far\n\nssh://ops@node2")
	for range 2 {
		if _, err := AddNode(dir, "prod1", "node3"); err != nil {
			t.Fatal(err)
		}
	}
	if got := readFile(t, file); got != "# ours\nnode9 # far\n\nssh://ops@node2\nnode3\n" {
		t.Errorf("the file became %q", got)
	}
	if _, err := AddNode(dir, "prod1", "no way"); err == nil {
		t.Error("what is no way is taken")
	}
	if got := readFile(t, file); strings.Contains(got, "no way") {
		t.Errorf("what was refused is in the file: %q", got)
	}
}

func TestParseNode(t *testing.T) {
	for given, want := range map[string]Node{
		"ssh://ops@n2":        {"", "ssh://ops@n2"},
		"node2=ssh://n2":      {"node2", "ssh://n2"},
		"unix:///tmp/a=b/dsk": {"", "unix:///tmp/a=b/dsk"},
	} {
		if got, err := ParseNode(given); err != nil || got != want {
			t.Errorf("%q: %v, %v", given, got, err)
		}
	}
	for _, bad := range []string{"node2", "node2=", "=ssh://n2", "default=ssh://n2", "a b=ssh://n2", "node2=ssh://a:b@n2"} {
		_, err := ParseNode(bad)
		failsWith(t, err, fault.Usage)
	}
}
