// Package floors holds the test that keeps the house's floors: each package
// imports only from the floors below it, and a foreign library stays in the one
// package that wraps it.
package floors

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/galley-coop/galley/"

// floors from the ground up. A package belongs to the floor its first path
// element names.
var floors = []string{"schemas", "recipe", "lint", "registry", "rules", "catalogue", "deployer", "cmd"}

// owners names the packages that may import a library directly, by prefix.
var owners = map[string][]string{
	"github.com/docker/docker/client":                      {"deployer", "internal/"},
	"github.com/docker/docker/api":                         {"deployer", "internal/"},
	"github.com/docker/cli":                                {"deployer", "internal/"},
	"github.com/google/go-containerregistry/pkg/v1/remote": {"registry", "internal/"},
	"github.com/go-git/go-git":                             {"recipe"},
	"github.com/compose-spec/compose-go/v2/loader":         {"recipe"},
	"github.com/compose-spec/compose-go/v2/cli":            {"recipe"},
	"github.com/theupdateframework/go-tuf":                 {"catalogue/trust"},
	"github.com/owenrumney/go-sarif":                       {"lint/report"},
	"github.com/alecthomas/kong":                           {"cmd"},
	"github.com/santhosh-tekuri/jsonschema":                {"rules"},
	"github.com/xeipuuv/gojsonschema":                      {"schemas"},
}

// internalUsers are the packages that may import what is under internal/ beside
// internal/fault, which every floor may.
var internalUsers = []string{"cmd/galley/demo", "internal/"}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < len(floors) {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

func floorOf(pkg string) int {
	first, _, _ := strings.Cut(pkg, "/")
	return slices.Index(floors, first)
}

func TestPackagesImportOnlyFromFloorsBelow(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		floor := floorOf(from)
		if strings.HasPrefix(from, "internal/") {
			continue
		}
		if floor < 0 {
			t.Errorf("%s is on no floor; the floors are %v", from, floors)
		}
		for _, path := range p.Imports {
			to, ours := strings.CutPrefix(path, module)
			if !ours || to == "internal/fault" {
				continue
			}
			if strings.HasPrefix(to, "internal/") {
				if !hasPrefix(from, internalUsers) {
					t.Errorf("%s imports %s, which is for tests and the demo", from, to)
				}
				continue
			}
			if floorOf(to) > floor {
				t.Errorf("%s imports %s from a floor above it", from, to)
			}
		}
	}
}

func TestLibrariesStayWithTheirOwners(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, path := range p.Imports {
			for library, allowed := range owners {
				if (path == library || strings.HasPrefix(path, library+"/")) && !hasPrefix(from, allowed) {
					t.Errorf("%s imports %s; only %v may", from, path, allowed)
				}
			}
		}
	}
}

func TestLintDoesNotKnowRules(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if from != "lint" && !strings.HasPrefix(from, "lint/") {
			continue
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, module+"rules") {
				t.Errorf("%s imports %s", from, path)
			}
		}
	}
}

func hasPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
