package deployer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/galley-coop/galley/recipe"
)

func note(version, text string) recipe.Note {
	return recipe.ParseNote(recipe.NewText("release/"+version, []byte(text)))
}

func rendered(t *testing.T, p *Plan) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.Render(&out, RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlanShowsNotes(t *testing.T) {
	before := wantPlanned(t, planCompose)
	d := wantStack(t, planCompose, "SECRET_KEY_VERSION=v1 # length=32\n", "2.0.0+1.27", planImages...)
	d.Notes = []recipe.Note{
		note("2.0.0+1.27", "The migration is irreversible.\n\x1b[31mred\tand more"), note("1.5.0+1.27", strings.Repeat("line\n", 100)), note("1.0.0+1.27", "old"),
	}
	p := planOf(t, d, deployedStack(t, before))
	if len(p.Notes) != 2 || p.Notes[0].Version != "1.5.0+1.27" || strings.Join(p.Irreversible(), " ") != "2.0.0+1.27" || p.Notes[0].Leaving {
		t.Fatalf("notes %s", asJSON(t, p.Notes))
	}
	text := rendered(t, p)
	for _, want := range []string{
		"  notes of 1.5.0+1.27\n    | line\n", "    | (88 more lines, in --output json)\n",
		"  notes of 2.0.0+1.27 (says that it cannot be rolled back)\n    | The migration is irreversible.\n    | \"\\x1b[31mred    and more\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}

	t.Log("and on the way back")
	notes := d.Notes
	d, back := before, deployedStack(t, d)
	d.Notes = notes
	p = planOf(t, d, back)
	if len(p.Notes) != 2 || !p.Notes[0].Leaving || !strings.Contains(rendered(t, p), "  notes of 2.0.0+1.27 (which is left; says that it cannot be rolled back)\n") {
		t.Errorf("notes %s", asJSON(t, p.Notes))
	}
}
