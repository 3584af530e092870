package catalogue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// merged knows which compose files were merged before. Merging them takes most
// of the time of a build, and from release to release a recipe changes little
// but the tags of its images and the label with its own version. So files that
// differ from merged ones in nothing else are not merged again: whether they can
// be does not depend on these values, and what image a service has is what the
// last of the files says.
type merged struct {
	known map[[sha256.Size]byte]bool
}

// images gives the image of each service under some of a recipe's files, "" for
// one without. What cannot be merged is an error.
func (m *merged) images(ctx context.Context, r *recipe.Recipe, files []string, env map[string]string) (map[string]string, error) {
	named, plain := namedImages(r, files, env)
	key := likeness(r, files, env)
	if plain && m.known[key] {
		return named, nil
	}
	model, err := r.Model(ctx, recipe.ModelOptions{Files: files, Env: env})
	if err != nil {
		return nil, err
	}
	images := map[string]string{}
	for name, service := range model.Services {
		images[name] = service.Image
	}
	// Merge keys, !reset and the like are seen here: then the files are not as
	// simple as that, and are merged each time.
	if plain && maps.Equal(named, images) {
		if m.known == nil {
			m.known = map[[sha256.Size]byte]bool{}
		}
		m.known[key] = true
	}
	return images, nil
}

// namedImages is what the files say, read one after the other. It is not plain
// when an image is something else than a text with a value.
func namedImages(r *recipe.Recipe, files []string, env map[string]string) (images map[string]string, plain bool) {
	images = map[string]string{}
	for _, file := range files {
		for service, node := range r.Document(file).Lookup("services").Pairs() {
			image := node.Get("image")
			if !image.Exists() {
				images[service] += ""
				continue
			}
			text, err := recipe.Expand(image.Text(), recipe.MapLookup(env))
			if err != nil || !image.IsString() || text == "" {
				return nil, false
			}
			images[service] = text
		}
	}
	return images, true
}

// likeness is a hash of files and values without what changes with each release.
func likeness(r *recipe.Recipe, files []string, env map[string]string) [sha256.Size]byte {
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&text, "%q=%q\n", name, env[name])
	}
	for _, file := range files {
		fmt.Fprintf(&text, "%q\n", file)
		d := r.Document(file)
		from := 0
		for _, hole := range holes(d) {
			if hole[0] < from || hole[1] < hole[0] {
				continue // one that several services merge
			}
			text.Write(d.Text.Bytes[from:hole[0]])
			text.WriteByte(0) // is in no YAML
			from = hole[1]
		}
		text.Write(d.Text.Bytes[from:])
	}
	return sha256.Sum256(text.Bytes())
}

// holes are where a release changes a file, as offsets: the images, and the one
// label with the version. An image with an anchor may be used elsewhere.
func holes(d *recipe.Document) [][2]int {
	var found, labels [][2]int
	offsets := func(at recipe.Range) [2]int {
		return [2]int{d.Text.Offset(at.Start), d.Text.Offset(at.End)}
	}
	for _, service := range d.Lookup("services").Pairs() {
		if image := service.Get("image"); image.IsString() {
			if at := offsets(image.Range()); !anchored(d.Text.Bytes, at[0]) {
				found = append(found, at)
			}
		}
		for _, item := range service.Get("deploy", "labels").Items() {
			name, value, ok := strings.Cut(item.Text(), "=")
			if ok && item.IsString() && strings.HasSuffix(name, ".version") && !strings.Contains(value, "$") {
				labels = append(labels, offsets(item.Sub(len(name)+1, len(item.Text()))))
			}
		}
	}
	if len(labels) == 1 { // two could become the same label, which is an error
		found = append(found, labels...)
	}
	slices.SortFunc(found, func(a, b [2]int) int { return a[0] - b[0] })
	return found
}

// anchored tells whether a value's line defines an anchor before it.
func anchored(text []byte, at int) bool {
	line := text[bytes.LastIndexByte(text[:max(at, 0)], '\n')+1 : max(at, 0)]
	return bytes.IndexByte(line, '&') >= 0
}
