package lsp

import (
	"cmp"
	"path"
	"slices"
)

// sent is what the editor was told last of a file.
type sent struct {
	uri  string
	data string // "" when the document was opened anew since
}

// publications takes a folder's findings over, and gives the messages that tell
// the editor what has changed by that. It is called with the mutex held, by the
// one that holds lint. docs are the documents as they were linted.
func (s *server) publications(dir string, f *folder, found []*finding, docs map[string]*document) []any {
	touched := map[string]string{} // URIs by path
	for _, list := range [][]*finding{f.found, found} {
		for _, x := range list {
			touched[x.in.path] = x.in.uri
		}
	}
	for name, d := range docs {
		if path.Dir(name) == dir && d.isLinted() {
			touched[name] = d.uri
		}
	}
	f.found = found
	if !s.isOpen(dir) && !f.stale() {
		delete(s.folders, dir)
	}
	names := make([]string, 0, len(touched))
	for name := range touched {
		names = append(names, name)
	}
	slices.Sort(names)
	var messages []any
	for _, name := range names {
		if m, changed := s.publication(name, touched[name], docs[name]); changed {
			messages = append(messages, m)
		}
	}
	return messages
}

// isOpen tells whether a document in a folder is open.
func (s *server) isOpen(dir string) bool {
	for name := range s.docs {
		if path.Dir(name) == dir {
			return true
		}
	}
	return false
}

// publication is everything that is known of one file, and whether the editor
// does not know it yet.
func (s *server) publication(name, uri string, doc *document) (any, bool) {
	p := publishDiagnosticsParams{URI: uri, Diagnostics: []diagnostic{}}
	for _, x := range s.at(name) {
		p.Diagnostics = append(p.Diagnostics, x.diagnostic)
	}
	last, known := s.published[name]
	if known {
		p.URI = last.uri // as the editor wrote it, also when the document is closed
	}
	if doc != nil {
		p.URI = doc.uri
		if s.client.TextDocument.PublishDiagnostics.VersionSupport {
			p.Version = &doc.version
		}
	}
	if doc == nil && len(p.Diagnostics) == 0 {
		delete(s.published, name)
		return notification(publish, p), known
	}
	data, err := encode(p)
	if err != nil || string(data) == last.data {
		return nil, false
	}
	s.published[name] = sent{p.URI, string(data)}
	return notification(publish, p), true
}

const publish = "textDocument/publishDiagnostics"

// at is what is found in a file, from every folder that knows of it, each once,
// in the order of the text. It is called with the mutex held.
func (s *server) at(name string) []*finding {
	type same struct {
		code, message string
		at            textRange
	}
	seen := map[same]bool{}
	var list []*finding
	for _, f := range s.folders {
		for _, x := range f.found {
			key := same{x.diagnostic.Code, x.diagnostic.Message, x.diagnostic.Range}
			if x.in.path == name && !seen[key] {
				seen[key] = true
				list = append(list, x)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *finding) int {
		return cmp.Or(
			cmp.Compare(a.diagnostic.Range.Start.Line, b.diagnostic.Range.Start.Line),
			cmp.Compare(a.diagnostic.Range.Start.Character, b.diagnostic.Range.Start.Character),
			cmp.Compare(a.diagnostic.Code, b.diagnostic.Code),
			cmp.Compare(a.diagnostic.Message, b.diagnostic.Message),
		)
	})
	return list
}
