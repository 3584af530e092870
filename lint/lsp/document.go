package lsp

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// document is an open document at one version. It is not changed: each change
// makes a new one.
type document struct {
	path    string // on disk, slash-separated; there need not be a file yet
	uri     string // as the editor writes it
	version int32
	text    []byte
}

func (s *server) didOpen(data json.RawMessage) error {
	p, err := params[didOpenParams](data)
	if err != nil {
		return err
	}
	name, ok := pathOf(p.TextDocument.URI)
	if !ok {
		return nil
	}
	d := &document{name, p.TextDocument.URI, p.TextDocument.Version, []byte(p.TextDocument.Text)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[name] = d
	if last, known := s.published[name]; known {
		s.published[name] = sent{uri: last.uri}
	}
	s.folder(path.Dir(name))
	s.touch(name, true)
	return nil
}

// didChange takes whole texts: no other change was asked for. A range is not
// looked at, because there are clients that send an empty one with a whole text.
func (s *server) didChange(data json.RawMessage) error {
	p, err := params[didChangeParams](data)
	if err != nil {
		return err
	}
	name, ok := pathOf(p.TextDocument.URI)
	if !ok || len(p.ContentChanges) == 0 {
		return nil
	}
	last := p.ContentChanges[len(p.ContentChanges)-1]
	if last.Text == nil {
		return rpcErrorf(codeInvalidParams, "expected the whole text of %q", p.TextDocument.URI)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.docs[name]
	if old == nil {
		return fmt.Errorf("%q is not open", p.TextDocument.URI)
	}
	s.docs[name] = &document{name, old.uri, p.TextDocument.Version, []byte(*last.Text)}
	s.touch(name, false)
	return nil
}

func (s *server) didSave(data json.RawMessage) error {
	p, err := params[documentParams](data)
	if err != nil {
		return err
	}
	s.touchURI(p.TextDocument.URI)
	return nil
}

func (s *server) didClose(data json.RawMessage) error {
	p, err := params[documentParams](data)
	if err != nil {
		return err
	}
	name, ok := pathOf(p.TextDocument.URI)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.docs, name)
	s.touch(name, true)
	return nil
}

func (s *server) didChangeFiles(data json.RawMessage) error {
	p, err := params[watchedFilesParams](data)
	if err != nil {
		return err
	}
	for _, change := range p.Changes {
		s.touchURI(change.URI)
	}
	return nil
}

func (s *server) touchURI(uri string) {
	name, ok := pathOf(uri)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touch(name, true)
}

// isLinted tells whether a document may be part of what is linted: a compose
// file by its name or by its services, or one of a recipe's other files.
func (d *document) isLinted() bool {
	name := path.Base(d.path)
	switch {
	case name == recipe.SampleName, name == recipe.ScriptName, strings.EqualFold(name, recipe.ReadmeName):
		return true
	case strings.HasPrefix(name, "."):
		return false
	}
	ext := path.Ext(name)
	if ext != ".yml" && ext != ".yaml" {
		return false
	}
	return slices.ContainsFunc(recipe.ComposeNames, func(known string) bool {
		stem := strings.TrimSuffix(known, path.Ext(known))
		return name == known || strings.HasPrefix(name, stem+".")
	}) || d.hasServices()
}

// hasServices looks for a top-level services key without parsing the text: an
// editor has many YAML files open that are no stacks.
func (d *document) hasServices() bool {
	text := string(d.text)
	return strings.HasPrefix(strings.TrimPrefix(text, "\ufeff"), "services:") || strings.Contains(text, "\nservices:")
}

// isYAML tells whether a document is linted for its own sake, and not only as a
// part of the recipe around it.
func (d *document) isYAML() bool {
	return strings.HasSuffix(d.path, ".yml") || strings.HasSuffix(d.path, ".yaml")
}
