package catalogue

import (
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/recipe"
)

const labelled = "services:\n  app:\n    image: acme/web:${TAG:-1.0}\n    deploy:\n      labels:\n        - \"coop-cloud.web.version=1.0.0+1.0\"\n"

// TestMergedKnowsWhatDoesNotMatter gives each file after one that was merged, and
// says whether it has to be merged as well.
func TestMergedKnowsWhatDoesNotMatter(t *testing.T) {
	anchor := "x-i: &i acme/web:1.0\n"
	for what, c := range map[string]struct {
		before, after string
		again         bool
		image         string // "" for an error
	}{
		"nothing else": {labelled, labelled, false, "acme/web:1.0"},
		"a tag and a label": {
			labelled, "services:\n  app:\n    image: \"acme/web:2.0\"\n    deploy:\n      labels:\n        - \"coop-cloud.web.version=2.0.0+2.0\"\n",
			false, "acme/web:2.0",
		},
		"a key": {compose("1.0"), compose("1.0") + "    user: \"1\"\n", true, "acme/web:1.0"},
		"a key that is none": {
			compose("1.0"), compose("1.0") + "    usr: \"1\"\n", true, "",
		},
		"no text":            {compose("1.0"), "services:\n  app:\n    image: 5\n", true, ""},
		"a broken variable":  {compose("1.0"), "services:\n  app:\n    image: acme/web:${\n", true, ""},
		"no image":           {compose("1.0"), "services:\n  app: {}\n", true, ""},
		"an anchor's value":  {anchor + "services:\n  app:\n    image: *i\n", "x-i: &i acme/web:2.0\nservices:\n  app:\n    image: *i\n", true, "acme/web:2.0"},
		"two labels at once": {labelled + "        - \"b.version=1\"\n", labelled + "        - \"b.version=2\"\n", true, "acme/web:1.0"},
	} {
		t.Run(what, func(t *testing.T) {
			var m merged
			if _, err := m.images(t.Context(), composed(t, c.before), []string{"compose.yml"}, nil); err != nil {
				t.Fatal(err)
			}
			if len(m.known) != 1 {
				t.Fatalf("%d files are known", len(m.known))
			}
			r := composed(t, c.after)
			_, plain := namedImages(r, []string{"compose.yml"}, nil)
			if again := !plain || !m.known[likeness(r, []string{"compose.yml"}, nil)]; again != c.again {
				t.Errorf("to be merged again: %v, expected %v", again, c.again)
			}
			images, err := m.images(t.Context(), r, []string{"compose.yml"}, nil)
			if images["app"] != c.image || (err == nil) != (c.image != "" || what == "no image") {
				t.Errorf("images %q, error %v; expected %q", images, err, c.image)
			}
		})
	}
}

// TestMergedReadsWhatIsNotPlain merges what only compose-go can tell, each time.
func TestMergedReadsWhatIsNotPlain(t *testing.T) {
	for what, text := range map[string]string{
		"a reset":    "services:\n  app:\n    image: !reset acme/web:1.0\n",
		"a profile":  compose("1.0") + "    profiles: [never]\n",
		"no value":   "services:\n  app:\n    image: ${NONE}\n",
		"a null":     "services:\n  app:\n    image:\n",
		"only build": "services:\n  app: {image: \"\", build: .}\n",
	} {
		var m merged
		if _, err := m.images(t.Context(), composed(t, text), []string{"compose.yml"}, nil); len(m.known) > 0 {
			t.Errorf("%s: is known, %v", what, err)
		}
	}
}

// TestMergedKnowsOverlays takes the last file's image, and the values that count.
func TestMergedKnowsOverlays(t *testing.T) {
	var m merged
	files := []string{"compose.yml", "compose.db.yml"}
	for _, tag := range []string{"1.0", "1.1"} {
		r, err := recipe.Load(fstest.MapFS{
			"compose.yml":    {Data: []byte(labelled)},
			"compose.db.yml": {Data: []byte("services:\n  app: {image: \"acme/other:" + tag + "\"}\n  db: {image: \"acme/db:${TAG}\"}\n")},
		}, recipe.Options{Name: "web"})
		must(t, err)
		images, err := m.images(t.Context(), r, files, map[string]string{"TAG": "9"})
		must(t, err)
		if images["app"] != "acme/other:"+tag || images["db"] != "acme/db:9" || len(m.known) != 1 {
			t.Errorf("%s: images %q, %d known", tag, images, len(m.known))
		}
		if m.known[likeness(r, files, map[string]string{"TAG": "8"})] || m.known[likeness(r, files[:1], map[string]string{"TAG": "9"})] {
			t.Errorf("%s: other values or files are known", tag)
		}
	}
}

func composed(t *testing.T, text string) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Load(fstest.MapFS{"compose.yml": {Data: []byte(text)}}, recipe.Options{Name: "web"})
	must(t, err)
	return r
}
