package lsp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

// here are the findings in a document that touch a range, of its newest text.
func (s *server) here(ctx context.Context, uri string, at textRange) ([]*finding, error) {
	name, ok := pathOf(uri)
	if !ok {
		return nil, nil
	}
	if err := s.fresh(ctx, name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	doc := s.docs[name]
	if doc == nil {
		return nil, nil
	}
	var list []*finding
	for _, x := range s.at(name) {
		if x.in.doc != doc {
			return nil, errStale
		}
		if x.diagnostic.Range.touches(at) {
			list = append(list, x)
		}
	}
	return list, nil
}

// hover shows the pages of the rules that found something at a place.
func (s *server) hover(ctx context.Context, data json.RawMessage) (any, error) {
	p, err := params[hoverParams](data)
	if err != nil {
		return nil, err
	}
	list, err := s.here(ctx, p.TextDocument.URI, textRange{p.Position, p.Position})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var text strings.Builder
	shown := map[string]bool{}
	for _, x := range list {
		if text.Len() > 0 {
			text.WriteString("\n\n---\n\n")
		}
		fmt.Fprintf(&text, "**%s**: %s", strings.TrimSpace(x.Rule+" "+cmp.Or(x.Name, source)), x.diagnostic.Message)
		if s.opts.Page == nil || shown[x.Rule] {
			continue
		}
		shown[x.Rule] = true
		if page, ok := s.opts.Page(x.Rule); ok {
			text.WriteString("\n\n" + strings.TrimSpace(page))
		}
	}
	return hover{markupContent{s.markup(), text.String()}, list[0].diagnostic.Range}, nil
}

// markup is the kind that hovers are shown as: Markdown, if the editor does not
// say that it knows none.
func (s *server) markup() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.client.TextDocument.Hover.ContentFormat
	if len(known) > 0 && !slices.Contains(known, "markdown") {
		return "plaintext"
	}
	return "markdown"
}

// codeAction offers the fixes of the findings in a range, safe ones first.
func (s *server) codeAction(ctx context.Context, data json.RawMessage) (any, error) {
	p, err := params[codeActionParams](data)
	if err != nil {
		return nil, err
	}
	actions := []codeAction{}
	if only := p.Context.Only; len(only) > 0 && !slices.ContainsFunc(only, wantsQuickFix) {
		return actions, nil
	}
	list, err := s.here(ctx, p.TextDocument.URI, p.Range)
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		if x.Fix == nil {
			continue
		}
		if edit, ok := s.edit(x); ok {
			actions = append(actions, x.action(edit))
		}
	}
	slices.SortStableFunc(actions, func(a, b codeAction) int { return -compareBool(a.IsPreferred, b.IsPreferred) })
	return actions, nil
}

// wantsQuickFix tells whether a kind of action is, or is above, a quick fix.
func wantsQuickFix(kind string) bool { return kind == "" || kind == kindQuickFix }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (x *finding) action(edit workspaceEdit) codeAction {
	title := x.Fix.Message
	if !x.Fix.Safe {
		title += " (may change what is deployed)"
	}
	return codeAction{
		Title: title, Kind: kindQuickFix, Diagnostics: []diagnostic{x.diagnostic},
		IsPreferred: x.Fix.Safe, Edit: edit,
	}
}

// edit is a finding's fix as the editor makes it. It is false when a file that
// it changes is not there, or is not any more what was linted.
func (s *server) edit(x *finding) (workspaceEdit, bool) {
	var files []*placed
	edits := map[*placed][]textEdit{}
	for _, e := range x.Fix.Edits {
		in := x.of.files[e.File]
		if in == nil || !slices.Contains(files, in) && !s.isCurrent(x.of, in) {
			return workspaceEdit{}, false
		}
		made, ok := in.edit(e)
		if !ok {
			return workspaceEdit{}, false
		}
		if !slices.Contains(files, in) {
			files = append(files, in)
		}
		edits[in] = append(edits[in], made)
	}
	return s.workspaceEdit(files, edits), len(files) > 0
}

func (s *server) workspaceEdit(files []*placed, edits map[*placed][]textEdit) workspaceEdit {
	s.mu.Lock()
	versions := s.client.Workspace.WorkspaceEdit.DocumentChanges
	s.mu.Unlock()
	if !versions {
		changes := map[string][]textEdit{}
		for _, in := range files {
			changes[in.uri] = edits[in]
		}
		return workspaceEdit{Changes: changes}
	}
	var edit workspaceEdit
	for _, in := range files {
		document := versionedDocument{URI: in.uri}
		if in.doc != nil {
			document.Version = &in.doc.version
		}
		edit.DocumentChanges = append(edit.DocumentChanges, documentEdit{document, edits[in]})
	}
	return edit
}

// isCurrent tells whether a file still is what was linted, in the editor or on
// disk.
func (s *server) isCurrent(l *looked, in *placed) bool {
	s.mu.Lock()
	doc := s.docs[in.path]
	s.mu.Unlock()
	if doc != in.doc || doc != nil {
		return doc == in.doc
	}
	below, ok := l.below(in.path)
	if !ok {
		return false
	}
	data, err := l.target.Recipe.ReadFile(below)
	return err == nil && bytes.Equal(bytes.TrimPrefix(data, mark), in.page.data)
}

// edit converts an edit, its line ends those of the file. It is false for one out
// of place. As everywhere, an end past the last line is the end of the file.
func (p *placed) edit(e lint.Edit) (textEdit, bool) {
	from, to := p.text.Offset(e.Start), p.text.Offset(e.End)
	if to < 0 && e.End.Line > p.text.Lines() {
		to = len(p.text.Bytes)
	}
	if from < 0 || to < from || e.Start.Column < 1 {
		return textEdit{}, false
	}
	text := e.Text
	if end := bytes.IndexByte(p.text.Bytes, '\n'); end > 0 && p.text.Bytes[end-1] == '\r' {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	at := textRange{p.page.position(p.offset(from)), p.page.position(p.offset(to))}
	return textEdit{at, text}, true
}
