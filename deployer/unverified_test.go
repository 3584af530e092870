package deployer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// resolveTo answers every reference with one digest, and counts.
func resolveTo(digit string, asked *[]string) Resolve {
	return func(_ context.Context, reference string) (registry.Image, error) {
		*asked = append(*asked, reference)
		if strings.Contains(reference, "nobody") {
			return registry.Image{}, errors.New("there is no such image")
		}
		return registry.Image{Reference: reference, Digest: "sha256:" + strings.Repeat(digit, 64)}, nil
	}
}

const unverifiedCompose = `
services:
  app:
    image: web:${TAG:-1}
    deploy:
      labels: ["coop-cloud.${STACK_NAME}.version=1.2.0+1"]
  db:
    image: db:1
`

func TestUnverifiedImages(t *testing.T) {
	r := loadRecipe(t, map[string]string{"compose.yml": unverifiedCompose, ".env.sample": "TYPE=web\n# TAG=1\n"})
	digest := "sha256:" + strings.Repeat("a", 64)
	entry := &catalogue.Entry{Version: "1.0.0+1", Images: []catalogue.Image{{Reference: "docker.io/library/web:1", Digest: digest}, {Reference: "docker.io/library/db:1", Digest: digest}}}
	var asked []string
	make := func(env string, in Input) (*Desired, error) {
		in.App, in.Recipe = writeApp(t, "web.example.org", "TYPE=web\n"+env), r
		return NewDesired(t.Context(), in)
	}
	mark := func(d *Desired) string { return d.Stack.Services["web_example_org_app"].Spec.Labels[LabelUnverified] }

	d, err := make("", Input{Entry: entry, Resolve: resolveTo("b", &asked)})
	if err != nil || len(d.Unverified) > 0 || mark(d) != "" || len(asked) > 0 {
		t.Errorf("what the entry vouches for: %v, %q, asked %q", err, d.Unverified, asked)
	}
	if _, err := make("TAG=mine\n", Input{Entry: entry}); fault.KindOf(err) != fault.Refused || !strings.Contains(fault.HintOf(err), "--allow-unverified") {
		t.Errorf("another image is let through: %v", err)
	}
	d, err = make("TAG=mine\n", Input{Entry: entry, Resolve: resolveTo("b", &asked), Unverified: []string{"not vetted"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "not vetted; image docker.io/library/web:mine is not the entry's"
	if mark(d) != want || strings.Join(d.Unverified, "; ") != want || strings.Join(asked, " ") != "docker.io/library/web:mine" {
		t.Errorf("marked %q, unverified %q, asked %q", mark(d), d.Unverified, asked)
	}
	images := map[string]string{}
	for name, s := range d.Stack.Services {
		images[name] = s.Spec.TaskTemplate.ContainerSpec.Image
	}
	if images["web_example_org_app"] != "web:mine@sha256:"+strings.Repeat("b", 64) || images["web_example_org_db"] != "db:1@"+digest {
		t.Errorf("images %q", images)
	}
	if left := standing(deployedStack(t, d)); strings.Join(left.Unverified, "; ") != want || deployedStack(t, d).Unverified() != want {
		t.Errorf("what stands is unverified for %q", left.Unverified)
	}
	if plan, err := NewPlan(d, Fresh(d.Stack)); err != nil || !strings.Contains(strings.Join(plan.Warnings, "\n"), "unverified: image docker.io/library/web:mine") {
		t.Errorf("the plan does not say so: %q (%v)", plan.Warnings, err)
	}
	if _, err := make("TAG=nobody\n", Input{Entry: entry, Resolve: resolveTo("b", &asked)}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "there is no such image") {
		t.Errorf("an image that is not there: %v", err)
	}

	t.Log("a work tree has no entry, and one reason")
	d, err = make("", Input{WorkTree: &WorkTree{Commit: "0123456789abcdef", Changed: true, Version: "1.1.0+1"}, Resolve: resolveTo("c", &asked)})
	if err != nil {
		t.Fatal(err)
	}
	labels := d.Stack.Services["web_example_org_app"].Spec.Labels
	if _, entry := labels[LabelEntry]; entry || d.Version != "1.2.0+1+U" || mark(d) != "work tree 01234567+U" || len(d.Unverified) != 1 ||
		labels["coop-cloud.web_example_org.chaos"] != "true" || labels["coop-cloud.web_example_org.chaos-version"] != "01234567+U" || labels["coop-cloud.web_example_org.version"] != d.Version {
		t.Errorf("version %q, unverified %q, labels %q", d.Version, d.Unverified, labels)
	}
	back, err := make("", Input{Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(back, deployedStack(t, d))
	if err != nil || plan.From != "1.2.0+1+U" || !strings.Contains(rendered(t, plan), "true → false") || !strings.Contains(rendered(t, plan), "work tree 01234567+U → (none)") {
		t.Errorf("the way back from a work tree does not show its labels: %s (%v)", rendered(t, plan), err)
	}
	if !strings.HasSuffix(d.Stack.Services["web_example_org_db"].Spec.TaskTemplate.ContainerSpec.Image, strings.Repeat("c", 64)) {
		t.Error("an image of the work tree is not pinned")
	}
	if _, err := make("", Input{WorkTree: &WorkTree{Commit: "01234567"}}); fault.KindOf(err) != fault.Refused {
		t.Errorf("a work tree without digests: %v", err)
	}
}

var quietRule = lint.Rule{ID: "T001", Name: "quiet", Summary: "nothing is found", Severity: lint.Error, Check: func(*lint.Pass) {}}

func TestReadTree(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Mo", "-c", "user.email=mo@example.org"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) { t.Helper(); writeFile(t, filepath.Join(dir, name), text) }
	read := func(dir string) *Tree {
		t.Helper()
		tree, err := ReadTree(t.Context(), dir, "web", []lint.Rule{quietRule})
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	write("web/compose.yml", unverifiedCompose)
	write("web/.env.sample", "TYPE=web\n")
	loose := read(filepath.Join(dir, "web"))
	if !loose.Changed || len(loose.Commit) != 64 {
		t.Errorf("without a repository: %+v", loose.WorkTree)
	}
	write("web/compose.yml", unverifiedCompose+"\n")
	if again := read(filepath.Join(dir, "web")); again.Commit == loose.Commit {
		t.Error("other files have the same name")
	}

	git("init", "-q")
	write(".gitignore", "*.log\n")
	git("add", ".")
	git("commit", "-qm", "one")
	git("tag", "-am", "release", "1.5.0+1")
	tree := read(filepath.Join(dir, "web"))
	if head := git("rev-parse", "HEAD"); tree.Commit != head || tree.Changed || tree.ID() != head[:8] || tree.Version != "" {
		t.Errorf("as committed, below the top: %+v", tree.WorkTree)
	}
	for what, change := range map[string]func(){
		"changed":   func() { write("web/compose.yml", unverifiedCompose) },
		"untracked": func() { write("web/new.txt", "x") },
		"ignored":   func() { write("web/x.log", "x") },
		"removed":   func() { _ = os.Remove(filepath.Join(dir, "web/.env.sample")) },
	} {
		change()
		if tree := read(filepath.Join(dir, "web")); !tree.Changed || !strings.HasSuffix(tree.ID(), "+U") {
			t.Errorf("%s: %+v", what, tree.WorkTree)
		}
		git("checkout", "-q", "--", ".")
		git("clean", "-qfdx")
	}
	git("mv", "web/compose.yml", "web/.env.sample", ".")
	git("commit", "-qm", "two")
	git("tag", "-am", "release", "1.6.0+1")
	if tree := read(dir); tree.Version != "1.6.0+1" || tree.Changed {
		t.Errorf("at the top, on a tag: %+v", tree.WorkTree)
	}
	if _, err := ReadTree(t.Context(), dir, "blog", nil); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `is the recipe "web"; the app wants "blog"`) {
		t.Errorf("another recipe: %v", err)
	}
	if _, err := ReadTree(t.Context(), t.TempDir(), "web", nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("no recipe: %v", err)
	}
	if _, err := ReadTree(t.Context(), filepath.Join(dir, "nowhere"), "web", nil); err == nil {
		t.Error("a folder that is not there is read")
	}
}
