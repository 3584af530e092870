package lint

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// typed lints text in place of a file, and gives the findings as "file:line rule".
func typed(t *testing.T, text, name string, opts LoadOptions) string {
	t.Helper()
	target, err := LoadReader(context.Background(), strings.NewReader(text), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(context.Background(), []Target{target}, []Rule{marks, sample}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	kind := "recipe"
	if target.Loose {
		kind = "loose"
	}
	for _, f := range result.Findings {
		kind += " " + f.File + ":" + f.Rule
	}
	return kind
}

func TestLoadReader(t *testing.T) {
	t.Chdir(tree(t, map[string]string{
		"r/compose.yml": "a: bad\n", "r/compose.x.yml": "a: bad\n", "r/.env.sample": "TYPE=r\n", "r/app.conf": "bad\n",
		"r/examples/compose.yml": "a: bad\n", "loose/compose.yml": "a: bad\n", "loose/other.yml": "a: bad\n", "r/sub/compose.y.yml": "",
	}))
	tests := []struct{ name, file, text, as, want string }{
		{"a recipe's base", "r/compose.yml", "x: bad", "", "recipe r/compose.yml:R004"},
		{"only its own findings", "r/compose.yml", "x: good", "", "recipe"},
		{"an overlay", "r/compose.x.yml", "x: bad", "", "recipe r/compose.x.yml:R004"},
		{"an overlay in a folder", "r/sub/compose.y.yml", "x: bad", "", "recipe r/sub/compose.y.yml:R004"},
		{"a new overlay", "r/compose.new.yml", "x: bad", "", "recipe r/compose.new.yml:R004"},
		{"the sample", "r/.env.sample", "A=bad", "", "recipe r/.env.sample:R004"},
		{"a script that is not there", "./r/abra.sh", "bad", "", "recipe r/abra.sh:R004"},
		{"a template", "r/app.conf", "x", "", "recipe"},
		{"a compose file below a recipe", "r/examples/compose.yml", "x: bad", "", "loose r/examples/compose.yml:R004"},
		{"a loose file", "loose/other.yml", "x: bad", "", "loose loose/other.yml:R004"},
		{"a loose base", "loose/compose.yml", "x: bad", "", "loose loose/compose.yml:R004"},
		{"a recipe's file as compose", "r/compose.yml", "x: bad", AsCompose, "loose r/compose.yml:R004"},
		{"a loose file as recipe", "loose/compose.yml", "x: bad", AsRecipe, "recipe loose/compose.yml:R004"},
		{"a folder that is not there", "none/compose.yml", "x: bad", "", "loose none/compose.yml:R004"},
		{"here", "compose.yml", "x: bad", "", "loose compose.yml:R004"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := typed(t, test.text, test.file, LoadOptions{As: test.as}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadReaderReadsTheSiblingsFromDisk(t *testing.T) {
	t.Chdir(tree(t, shelf))
	target, err := LoadReader(context.Background(), strings.NewReader("services: {}\n"), "traefik/compose.yml", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := target.Recipe; len(r.Overlays) != 2 || r.Sample == nil || string(r.Base.Text.Bytes) != "services: {}\n" {
		t.Errorf("recipe has %d overlays, sample %v, base %q", len(r.Overlays), r.Sample, r.Base.Text.Bytes)
	}
}

func TestLoadBuffersReplacesSeveralFiles(t *testing.T) {
	dir := tree(t, shelf)
	buffers := map[string][]byte{
		dir + "/traefik/compose.yml":      []byte("a: bad\n"),
		dir + "/traefik/compose.smtp.yml": []byte("a: bad\n"),
		dir + "/loose/other.yml":          []byte("a: bad\n"),
	}
	target, err := LoadBuffers(context.Background(), dir+"/traefik/compose.yml", buffers, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	target.Focus = ""
	result, err := Run(context.Background(), []Target{target}, []Rule{marks}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) != 2 {
		t.Errorf("findings = %v, want those of both buffers of the recipe", result.Findings)
	}
}

func TestLoadReaderRefuses(t *testing.T) {
	dir := t.TempDir()
	big := io.LimitReader(strings.NewReader(strings.Repeat("#", recipe.MaxFileSize+1)), recipe.MaxFileSize+1)
	if _, err := LoadReader(context.Background(), big, dir+"/compose.yml", LoadOptions{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v for what is too large", err)
	}
	broken := errors.New("broken pipe")
	if _, err := LoadReader(context.Background(), iotest.ErrReader(broken), dir+"/compose.yml", LoadOptions{}); !errors.Is(err, broken) {
		t.Errorf("error = %v, want the reader's", err)
	}
	for _, name := range []string{"", ".", "..", "/", "a/.."} {
		if _, err := LoadReader(context.Background(), strings.NewReader(""), name, LoadOptions{}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: error = %v, want one of kind usage", name, err)
		}
	}
	if _, err := LoadReader(context.Background(), strings.NewReader(""), "compose.yml", LoadOptions{As: "helm"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v, want one of kind usage", err)
	}
}

func TestLoadReaderTakesTheConfiguration(t *testing.T) {
	t.Chdir(tree(t, map[string]string{ConfigName: "rules: {R004: off}\n", "a/compose.yml": ""}))
	if got := typed(t, "x: bad", "a/compose.yml", LoadOptions{Configs: NearestConfigs()}); got != "loose" {
		t.Errorf("got %q, want nothing but the target", got)
	}
}
