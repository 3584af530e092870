package lsp_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"
	"go.uber.org/zap"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/lint/lsp"
	"github.com/galley-coop/galley/recipe"
)

// patient is how long a test waits for what must come.
const patient = 10 * time.Second

// unstable finds every image that ends in :latest, at its tag, and sets another.
var unstable = lint.Rule{ID: "R004", Name: "unstable-tag", Severity: lint.Warning, Check: func(p *lint.Pass) {
	for _, s := range p.Services() {
		image := s.Node.Get("image")
		name, ok := strings.CutSuffix(image.Text(), ":latest")
		if !ok {
			continue
		}
		tag := image.Sub(len(name)+1, len(image.Text()))
		p.Report(tag, `"latest" is an unstable tag`,
			lint.WithRelated(s.Node.KeyRange(), "of this service"),
			lint.WithFix(lint.Fix{Message: "set the tag 1.27", Edits: []lint.Edit{
				{File: tag.File, Start: tag.Start, End: tag.End, Text: "1.27"},
			}}))
	}
}}

// private finds privileged services, and deletes the line that says so.
var private = lint.Rule{ID: "C301", Name: "privileged", Severity: lint.Error, Check: func(p *lint.Pass) {
	for _, s := range p.Services() {
		n := s.Node.Get("privileged")
		if !n.Exists() {
			continue
		}
		key := n.KeyRange()
		p.Report(key, "privileged is not for a swarm", lint.WithFix(lint.Fix{Message: "delete privileged", Safe: true, Edits: []lint.Edit{{
			File: key.File, Start: recipe.Position{Line: key.Start.Line, Column: 1}, End: recipe.Position{Line: key.Start.Line + 1, Column: 1},
		}}}))
	}
}}

// declared finds variables of the sample that compose files do not use, and a
// sample that is missing.
var declared = lint.Rule{ID: "R108", Name: "unused-variable", Severity: lint.Info, RecipeOnly: true, Check: func(p *lint.Pass) {
	if p.Recipe.Sample == nil {
		p.Reportf(lint.AtFile(recipe.SampleName), "there is none")
		return
	}
	used := map[string]bool{"TYPE": true}
	for _, d := range p.Recipe.Documents() {
		for _, use := range d.Uses() {
			used[use.Variable.Name] = true
		}
	}
	for _, v := range p.Recipe.Sample.Vars() {
		if !used[v.Name] {
			p.Reportf(v.NameRange, "%q is not used", v.Name)
		}
	}
}}

func options() lsp.Options {
	return lsp.Options{
		Rules: []lint.Rule{unstable, private, declared}, Version: "1.2.3", Debounce: time.Millisecond,
		Page: func(id string) (string, bool) { return "# " + id + "\n\n## Why\n", id != "C301" },
		Link: func(id string) string { return "https://galley.example/rules#" + id },
	}
}

// editor is a client that keeps what the server says.
type editor struct {
	protocol.Server
	t         *testing.T
	ctx       context.Context
	published chan *protocol.PublishDiagnosticsParams
	logged    chan string
	watches   chan *protocol.RegistrationParams
	input     io.Closer  // closing it is what a dying editor does
	done      chan error // what Serve returned
}

// told is the side of the editor that the server calls. What the server is not
// expected to call is nil, and would fail the test.
type told struct {
	protocol.Client
	*editor
}

func (c told) PublishDiagnostics(_ context.Context, p *protocol.PublishDiagnosticsParams) error {
	c.published <- p
	return nil
}

func (c told) LogMessage(_ context.Context, p *protocol.LogMessageParams) error {
	c.logged <- p.Message
	return nil
}

func (c told) RegisterCapability(_ context.Context, p *protocol.RegistrationParams) error {
	c.watches <- p
	return nil
}

type pipes struct {
	io.Reader
	io.WriteCloser
}

// start runs a server and a client that has not said anything yet.
func start(t *testing.T, opts lsp.Options) *editor {
	t.Helper()
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patient)
	e := &editor{
		t: t, ctx: ctx, input: clientOut, done: make(chan error, 1),
		published: make(chan *protocol.PublishDiagnosticsParams, 100),
		logged:    make(chan string, 100), watches: make(chan *protocol.RegistrationParams, 1),
	}
	go func() {
		e.done <- lsp.Serve(context.Background(), serverIn, serverOut, opts)
		serverOut.Close()
	}()
	_, conn, server := protocol.NewClient(ctx, told{editor: e}, jsonrpc2.NewStream(pipes{clientIn, clientOut}), zap.NewNop())
	e.Server = server
	t.Cleanup(func() {
		clientOut.Close()
		<-conn.Done()
		cancel()
	})
	return e
}

// begin is start, with a session that is initialized by a client that can do
// everything.
func begin(t *testing.T, opts lsp.Options) *editor {
	t.Helper()
	e := start(t, opts)
	_, err := e.Initialize(e.ctx, &protocol.InitializeParams{Capabilities: able()})
	e.must(err)
	e.must(e.Initialized(e.ctx, &protocol.InitializedParams{}))
	return e
}

func able() protocol.ClientCapabilities {
	return protocol.ClientCapabilities{
		Workspace: &protocol.WorkspaceClientCapabilities{
			WorkspaceEdit: &protocol.WorkspaceClientCapabilitiesWorkspaceEdit{DocumentChanges: true},
		},
		TextDocument: &protocol.TextDocumentClientCapabilities{
			PublishDiagnostics: &protocol.PublishDiagnosticsClientCapabilities{
				RelatedInformation: true, VersionSupport: true, CodeDescriptionSupport: true,
			},
		},
	}
}

func (e *editor) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *editor) open(name, text string) protocol.DocumentURI {
	e.t.Helper()
	u := uri.File(name)
	e.must(e.DidOpen(e.ctx, &protocol.DidOpenTextDocumentParams{
		TextDocument: protocol.TextDocumentItem{URI: u, LanguageID: "yaml", Version: 1, Text: text},
	}))
	return u
}

func (e *editor) change(u protocol.DocumentURI, version int32, text string) {
	e.t.Helper()
	id := protocol.VersionedTextDocumentIdentifier{Version: version}
	id.URI = u
	e.must(e.DidChange(e.ctx, &protocol.DidChangeTextDocumentParams{
		TextDocument: id, ContentChanges: []protocol.TextDocumentContentChangeEvent{{Text: text}},
	}))
}

func (e *editor) close(u protocol.DocumentURI) {
	e.t.Helper()
	e.must(e.DidClose(e.ctx, &protocol.DidCloseTextDocumentParams{TextDocument: protocol.TextDocumentIdentifier{URI: u}}))
}

// diagnostics waits for those of a document at a version; 0 is for one that is
// not open.
func (e *editor) diagnostics(u protocol.DocumentURI, version uint32) []protocol.Diagnostic {
	e.t.Helper()
	deadline := time.After(patient)
	for {
		select {
		case p := <-e.published:
			if p.URI == u && p.Version == version {
				return p.Diagnostics
			}
		case message := <-e.logged:
			e.t.Fatalf("the server warns: %s", message)
		case err := <-e.done:
			e.t.Fatalf("the server ended: %v", err)
		case <-deadline:
			e.t.Fatalf("no diagnostics for version %d of %s", version, u)
		}
	}
}

func (e *editor) actions(u protocol.DocumentURI, at protocol.Range) []protocol.CodeAction {
	e.t.Helper()
	list, err := e.CodeAction(e.ctx, &protocol.CodeActionParams{
		TextDocument: protocol.TextDocumentIdentifier{URI: u}, Range: at,
	})
	e.must(err)
	return list
}

func (e *editor) hovering(u protocol.DocumentURI, line, character uint32) (*protocol.Hover, error) {
	var p protocol.HoverParams
	p.TextDocument.URI, p.Position = u, protocol.Position{Line: line, Character: character}
	return e.Hover(e.ctx, &p)
}

// ended waits for the end of Serve.
func (e *editor) ended() error {
	e.t.Helper()
	select {
	case err := <-e.done:
		return err
	case <-time.After(patient):
		e.t.Fatal("the server does not end")
		return nil
	}
}

func span(line, from, to uint32) protocol.Range {
	return protocol.Range{Start: protocol.Position{Line: line, Character: from}, End: protocol.Position{Line: line, Character: to}}
}

// apply makes edits as an editor does: positions are in UTF-16 code units, and
// lines end with LF.
func apply(t *testing.T, text string, edits []protocol.TextEdit) string {
	t.Helper()
	units := utf16.Encode([]rune(text))
	offset := func(p protocol.Position) int {
		at := 0
		for range p.Line {
			end := slices.Index(units[at:], '\n')
			if end < 0 {
				return len(units)
			}
			at += end + 1
		}
		return at + int(p.Character)
	}
	slices.SortFunc(edits, func(a, b protocol.TextEdit) int { return offset(b.Range.Start) - offset(a.Range.Start) })
	for _, e := range edits {
		units = slices.Replace(units, offset(e.Range.Start), offset(e.Range.End), utf16.Encode([]rune(e.NewText))...)
	}
	return string(utf16.Decode(units))
}

// folder writes files into a new folder and gives its path.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func codeOf(err error) jsonrpc2.Code {
	var coded *jsonrpc2.Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	return 0
}
