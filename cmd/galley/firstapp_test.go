package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/internal/localregistry"
)

// TestFirstApp follows the tutorial to the letter, on the private engine: every
// ```sh block is run, and every line of a ```text block must be in what the
// commands above it printed, in that order. Changed is only where the image comes
// from and where the page is asked for: no public registry is needed here, and the
// engine has a network of its own.
func TestFirstApp(t *testing.T) {
	t.Parallel()
	private := lanes[swarmLanes].Get(t)
	t.Cleanup(func() {
		if err := emptyEngine(context.Background(), private); err != nil {
			t.Error(err)
		}
	})
	registry := localregistry.StartT(t, localregistry.WithAddr(private.BridgeAddr()+":0"))
	for _, tag := range []string{"1.36.1", "1.37.0"} {
		image, err := localregistry.ShellImage("linux/"+private.Arch(), func(c *v1.Config) {
			c.Entrypoint, c.Labels = nil, map[string]string{"version": tag}
		})
		if err != nil {
			t.Fatal(err)
		}
		registry.PushT(t, "busybox:"+tag, image)
	}
	blocks, wanted := tutorial(t, filepath.Join("..", "..", "docs", "first-app.md"))
	const next = "-- block --"
	page := "busybox wget -q -O - http://" + private.NodeAddr() + ":"
	if !private.Balances() { // this kernel cannot publish ports through the swarm
		page = "docker exec $(docker ps -q -f name=hello_example_org_app) wget -q -O - http://127.0.0.1:"
	}
	here := strings.NewReplacer(
		"image: busybox:", "image: "+registry.Addr+"/busybox:",
		"wget -q -O - http://127.0.0.1:", page,
	)
	script := here.Replace(strings.Join(blocks, "echo '"+next+"'\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-u", "-c", "exec 2>&1\n"+script)
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "PATH="+os.Getenv("PATH"))
	for name, value := range isolated(filepath.Join(shell.Dir, ".home")) {
		if name == "DOCKER_HOST" {
			value = private.Host()
		}
		shell.Env = append(shell.Env, name+"="+value)
	}
	printed, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	outputs := strings.Split(string(printed), next+"\n")
	if len(outputs) != len(blocks) {
		t.Fatalf("%d blocks printed something, want %d\n%s", len(outputs), len(blocks), printed)
	}
	for i, lines := range wanted {
		rest := outputs[i]
		for _, line := range lines {
			found := lineLike(line).FindStringIndex(rest)
			if found == nil {
				t.Fatalf("block %d should print %q:\n%s\nIt printed\n%s", i+1, line, blocks[i], outputs[i])
			}
			rest = rest[found[1]:]
		}
	}
}

// tutorial gives the commands of each ```sh block, and the lines of the ```text
// block that follows it.
func tutorial(t *testing.T, path string) (blocks []string, wanted [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fences := regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	for _, fence := range fences {
		if fence[1] == "sh" {
			blocks, wanted = append(blocks, fence[2]), append(wanted, nil)
			continue
		}
		last := len(wanted) - 1
		wanted[last] = append(wanted[last], strings.Split(strings.TrimSpace(fence[2]), "\n")...)
	}
	if len(blocks) < 10 {
		t.Fatalf("the tutorial has %d blocks", len(blocks))
	}
	return blocks, wanted
}

// lineLike matches a line of the tutorial: "…" stands for anything, and any number
// of spaces for any other.
func lineLike(line string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.TrimSpace(line))
	pattern = regexp.MustCompile(" +").ReplaceAllString(pattern, " +")
	return regexp.MustCompile("(?m)^ *" + strings.ReplaceAll(pattern, "…", ".*") + " *$")
}
