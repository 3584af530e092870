package rules

import (
	"bytes"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// deployStack is what a deploy merges: the base with the overlays that the
// sample lists, or these with one overlay more. Merging is by nodes: a rule
// asks for one value at a time, and gets it with its place.
type deployStack struct {
	files []*recipe.Document // the one that is merged last comes first
	extra bool               // the first file is an overlay that the sample does not list
	pass  *lint.Pass
}

// deployService is one service of a stack.
type deployService struct {
	name   string
	layers []recipe.Node // of the file that is merged last first
	stack  *deployStack
}

// deployFinder reports, once for each place: an anchor makes one block the
// trouble of many services. With an overlay that the sample does not list, only
// what stands in that overlay is news.
type deployFinder struct {
	pass *lint.Pass
	file string // of the overlay, "" for the stack of the sample
	seen map[recipe.Range]bool
}

func (f *deployFinder) report(at recipe.Range, message string, options ...lint.Option) {
	if f.seen[at] || f.file != "" && f.file != at.File {
		return
	}
	if f.seen == nil {
		f.seen = map[recipe.Range]bool{}
	}
	f.seen[at] = true
	f.pass.Report(at, message, options...)
}

// eachDeployStack shows judge the stack of the sample first, then one for each
// overlay that is not part of it. Recipes whose files do not hold the word are
// passed over without a look.
func eachDeployStack(p *lint.Pass, word string, judge func(*deployFinder, *deployStack)) {
	if !deployMentions(p.Recipe, word) {
		return
	}
	finder := &deployFinder{pass: p}
	first := &deployStack{pass: p}
	if p.Recipe.Base != nil {
		first.files = append(first.files, p.Recipe.Base)
	}
	listed := listedOverlays(p.Recipe)
	first.files = slices.Insert(first.files, 0, listed...)
	if len(first.files) > 0 {
		judge(finder, first)
	}
	for _, d := range p.Recipe.Overlays {
		if !slices.Contains(listed, d) {
			files := append([]*recipe.Document{d}, first.files...)
			finder.file = d.Text.Path
			judge(finder, &deployStack{files: files, extra: true, pass: p})
		}
	}
}

// listedOverlays are the overlays of the sample's COMPOSE_FILE, the last first.
func listedOverlays(r *recipe.Recipe) []*recipe.Document {
	if r.Sample == nil || len(r.Overlays) == 0 {
		return nil
	}
	var listed []*recipe.Document
	for _, name := range r.Sample.ComposeFiles() {
		if d := r.Document(name); d != nil && d != r.Base {
			listed = slices.Insert(listed, 0, d)
		}
	}
	return listed
}

func deployMentions(r *recipe.Recipe, word string) bool {
	return slices.ContainsFunc(r.Documents(), func(d *recipe.Document) bool {
		return bytes.Contains(d.Text.Bytes, []byte(word))
	})
}

// eachDeployService shows judge every service of every stack; of an overlay
// that the sample does not list those that it has a word on.
func eachDeployService(p *lint.Pass, word string, judge func(*deployFinder, deployService)) {
	eachDeployStack(p, word, func(f *deployFinder, s *deployStack) {
		for _, service := range s.services() {
			judge(f, service)
		}
	})
}

func (s *deployStack) services() []deployService {
	names := s.files
	if s.extra {
		names = s.files[:1]
	}
	var services []deployService
	seen := map[string]bool{}
	for _, d := range slices.Backward(names) {
		for name, node := range d.Lookup("services").Pairs() {
			if seen[name] || !node.IsMap() {
				continue
			}
			seen[name] = true
			services = append(services, s.service(name))
		}
	}
	return services
}

// service is a service by its name, without layers when no file has it.
func (s *deployStack) service(name string) deployService {
	service := deployService{name: name, stack: s}
	for _, d := range s.files {
		if node := d.Lookup("services", name); node.IsMap() {
			service.layers = append(service.layers, node)
		}
	}
	return service
}

// complete tells whether the service is more than a patch of one that stands in
// a file which is not merged: only then something can be missing.
func (s deployService) complete() bool {
	return s.get("image").Exists() || s.get("build").Exists()
}

// get is the value at a path, of the file that is merged last and has one.
func (s deployService) get(path ...string) recipe.Node {
	for _, layer := range s.layers {
		n, last := followMerged(layer, path)
		if n.Exists() || last {
			return n
		}
	}
	return recipe.Node{}
}

// all is the values at a path of every file, of the one that is merged last first.
func (s deployService) all(path ...string) []recipe.Node {
	var found []recipe.Node
	for _, layer := range s.layers {
		n, last := followMerged(layer, path)
		if n.Exists() {
			found = append(found, n)
		}
		if last {
			break
		}
	}
	return found
}

// followMerged follows a path in one file. last tells that the files below do
// not count: the value, or one above it, is reset or overrides theirs.
func followMerged(n recipe.Node, path []string) (at recipe.Node, last bool) {
	for _, step := range path {
		if n = n.Get(step); !n.Exists() {
			return n, last
		}
		if reset(n) {
			return recipe.Node{}, true
		}
		last = last || mergeOverridden(n)
	}
	return n, last
}

// mergeOverridden tells whether compose's !override stands on a value.
func mergeOverridden(n recipe.Node) bool {
	text := n.Document().Text
	if n.Key() == "" || !bytes.Contains(text.Bytes, []byte("!override")) {
		return false
	}
	from, to := text.Offset(n.KeyRange().End), text.Offset(n.Range().Start)
	return from >= 0 && to >= from && bytes.Contains(text.Bytes[from:to], []byte("!override"))
}

// upper is the first of the nodes that the file merged last has, or else the
// first one: where a finding about several values points.
func (s deployService) upper(nodes ...recipe.Node) recipe.Node {
	for _, n := range nodes {
		if n.Exists() && n.Document() == s.stack.files[0] {
			return n
		}
	}
	for _, n := range nodes {
		if n.Exists() {
			return n
		}
	}
	return recipe.Node{}
}
