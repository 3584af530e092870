package lsp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// finding is a finding as an editor shows it.
type finding struct {
	lint.Finding
	diagnostic diagnostic
	in         *placed // the file it is shown in
	of         *looked
}

// looked is one target that was linted, with the documents that were open.
type looked struct {
	target lint.Target
	docs   map[string]*document
	files  map[string]*placed // by path; nil for one that is not there
}

// look lints what is open in a folder: each recipe or compose file once, however
// many of its files are open. docs are all open documents. The error is the
// cause of ctx's end; everything else that goes wrong is a finding.
func (s *server) look(ctx context.Context, dir string, docs map[string]*document) ([]*finding, error) {
	buffers := make(map[string][]byte, len(docs))
	for name, d := range docs {
		buffers[name] = d.text
	}
	var found []*finding
	covered := map[string]bool{}
	for _, d := range linted(dir, docs) {
		if covered[d.path] {
			continue
		}
		l, findings, err := s.lintOne(ctx, d, docs, buffers)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			found = append(found, failed(d, err))
		}
		if l == nil {
			continue
		}
		for _, name := range l.read() {
			covered[name] = true
		}
		found = append(found, s.shown(l, findings)...)
	}
	return found, nil
}

// linted are the documents in a folder that may be linted, compose files first:
// they bring the others with them.
func linted(dir string, docs map[string]*document) []*document {
	var list []*document
	for name, d := range docs {
		if path.Dir(name) == dir && d.isLinted() {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b *document) int {
		if a.isYAML() != b.isYAML() {
			if a.isYAML() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.path, b.path)
	})
	return list
}

// lintOne lints the target that a document is part of. There is none for a README
// or a script of something else than a recipe.
func (s *server) lintOne(ctx context.Context, d *document, docs map[string]*document, buffers map[string][]byte) (*looked, []lint.Finding, error) {
	load := s.opts.Load
	if load.Configs == nil {
		load.Configs = lint.NearestConfigs()
	}
	target, err := lint.LoadBuffers(ctx, d.path, buffers, load)
	if !d.isYAML() && (err != nil && path.Base(d.path) != recipe.SampleName || err == nil && target.Loose) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	target.Focus = ""
	l := &looked{target: target, docs: docs, files: map[string]*placed{}}
	if !slices.Contains(l.read(), d.path) {
		return nil, nil, nil
	}
	result, err := lint.Run(ctx, []lint.Target{target}, s.opts.Rules, s.opts.Lint)
	if result == nil {
		return l, nil, err
	}
	return l, result.Findings, err
}

// failed tells of a document that could not be linted, at its top.
func failed(d *document, err error) *finding {
	message := err.Error()
	var bug *lint.RuleError
	if errors.As(err, &bug) {
		message = "a bug in galley: " + message
	}
	return &finding{
		in:         place(d.path, d, recipe.NewText(d.path, d.text)),
		diagnostic: diagnostic{Severity: severityOf(lint.Error), Source: source, Message: message},
	}
}

const source = "galley"

// severityOf is the protocol's severity: 1 error, 2 warning, 3 information.
func severityOf(s lint.Severity) int {
	switch s {
	case lint.Error:
		return 1
	case lint.Warning:
		return 2
	}
	return 3
}

// read are the paths of the files that the target was read from.
func (l *looked) read() []string {
	var names []string
	for name := range l.texts() {
		names = append(names, path.Join(l.target.Dir, name))
	}
	for _, p := range l.target.Recipe.Problems { // there, and not readable
		names = append(names, path.Join(l.target.Dir, p.Range.File))
	}
	return names
}

// texts are what the target was read from, by path in its folder.
func (l *looked) texts() map[string]*recipe.Text {
	r := l.target.Recipe
	texts := map[string]*recipe.Text{}
	add := func(t *recipe.Text) { texts[t.Path] = t }
	for _, d := range r.Documents() {
		add(d.Text)
	}
	if r.Sample != nil {
		add(r.Sample.Text)
	}
	if r.Script != nil {
		add(r.Script.Text)
	}
	if r.Readme != nil {
		add(r.Readme.Text)
	}
	for _, n := range r.Notes {
		add(n.Text)
	}
	return texts
}

// file gives the file with that path as the linter saw it, nil for one that is
// not there or outside the target.
func (l *looked) file(name string) *placed {
	p, known := l.files[name]
	if !known {
		p = l.open(name)
		l.files[name] = p
	}
	return p
}

func (l *looked) open(name string) *placed {
	below, ok := l.below(name)
	if !ok {
		return nil
	}
	if text := l.texts()[below]; text != nil {
		return place(name, l.docs[name], text)
	}
	data, err := l.target.Recipe.ReadFile(below)
	if err != nil {
		return nil
	}
	return place(name, l.docs[name], recipe.NewText(below, data))
}

// below is a file's path in the target's folder, false for one outside.
func (l *looked) below(name string) (string, bool) {
	if !within(l.target.Dir, name) {
		return "", false
	}
	below := strings.TrimPrefix(strings.TrimPrefix(name, l.target.Dir), "/")
	return below, fs.ValidPath(below) && below != "."
}

// instead is where findings are shown about a file that cannot be read: at its
// own top when it is open, else at that of the compose file, because what is not
// there cannot be opened.
func (l *looked) instead(name string) *placed {
	doc, base := l.docs[name], l.target.Recipe.Base
	if doc == nil && base != nil {
		if in := l.file(path.Join(l.target.Dir, base.Text.Path)); in != nil {
			return in
		}
	}
	return place(name, doc, recipe.NewText(name, nil))
}

// about is a finding's message with the name of its file.
func about(f lint.Finding) string {
	name := path.Base(f.File)
	if strings.Contains(f.Message, name) {
		return f.Message
	}
	return fmt.Sprintf("%s: %s", name, f.Message)
}

// shown are findings as diagnostics.
func (s *server) shown(l *looked, findings []lint.Finding) []*finding {
	s.mu.Lock()
	client := s.client.TextDocument.PublishDiagnostics
	s.mu.Unlock()
	list := make([]*finding, 0, len(findings))
	for _, f := range findings {
		d := diagnostic{Severity: severityOf(f.Severity), Code: f.Rule, Source: source, Message: f.Message}
		in := l.file(f.File)
		if in != nil {
			d.Range = in.textRange(f.Start, f.End)
		}
		if in == nil {
			in = l.instead(f.File)
			d.Message = about(f)
		}
		if f.Fix != nil {
			for _, e := range f.Fix.Edits {
				l.file(e.File) // now, and not when the fix is asked for
			}
		}
		if s.opts.Link != nil && client.CodeDescriptionSupport {
			if href := s.opts.Link(f.Rule); href != "" {
				d.CodeDescription = &codeDescription{href}
			}
		}
		if client.RelatedInformation {
			d.Related = l.related(f.Related)
		}
		list = append(list, &finding{Finding: f, diagnostic: d, in: in, of: l})
	}
	return list
}

func (l *looked) related(places []lint.Related) []relatedInformation {
	var list []relatedInformation
	for _, r := range places {
		at := location{URI: uriOf(r.File)}
		if in := l.file(r.File); in != nil {
			at = location{in.uri, in.textRange(r.Start, r.End)}
		}
		list = append(list, relatedInformation{at, r.Message})
	}
	return list
}
