package lsp_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.lsp.dev/jsonrpc2"
	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"

	"github.com/galley-coop/galley/lint"
)

const (
	stable = "services:\n  app:\n    image: nginx:1.27\n"
	moving = "services:\n  app: # 🚢 für\n    {\"x-🚢ü\": 1, image: \"nginx:latest\"}\n"
)

// The tag in moving, in UTF-16 code units: the emoji takes two of them.
var tag = span(2, uint32(len("    {\"x-__ü\": 1, image: \"nginx:")-1), uint32(len("    {\"x-__ü\": 1, image: \"nginx:latest")-1))

func TestSession(t *testing.T) {
	e := start(t, options())
	result, err := e.Initialize(e.ctx, &protocol.InitializeParams{Capabilities: able()})
	e.must(err)
	if got := result.ServerInfo; got == nil || got.Name != "galley" || got.Version != "1.2.3" {
		t.Errorf("server info %+v", got)
	}
	if got := result.Capabilities.HoverProvider; got != true {
		t.Errorf("hover provider %v", got)
	}
	e.must(e.Initialized(e.ctx, &protocol.InitializedParams{}))
	e.must(e.Shutdown(e.ctx))
	if _, err := e.hovering("file:///a/compose.yml", 0, 0); codeOf(err) != jsonrpc2.InvalidRequest {
		t.Errorf("hover after shutdown: %v", err)
	}
	e.must(e.Exit(e.ctx))
	e.must(e.ended())
}

func TestRequestsBeforeInitialize(t *testing.T) {
	e := start(t, options())
	if _, err := e.hovering("file:///a/compose.yml", 0, 0); codeOf(err) != jsonrpc2.ServerNotInitialized {
		t.Errorf("hover: %v", err)
	}
	if _, err := e.Initialize(e.ctx, &protocol.InitializeParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Initialize(e.ctx, &protocol.InitializeParams{}); codeOf(err) != jsonrpc2.InvalidRequest {
		t.Errorf("second initialize: %v", err)
	}
	if _, err := e.Request(e.ctx, "galley/unknown", nil); codeOf(err) != jsonrpc2.MethodNotFound {
		t.Errorf("unknown method: %v", err)
	}
}

func TestExitWithoutShutdown(t *testing.T) {
	e := begin(t, options())
	e.must(e.Exit(e.ctx))
	if err := e.ended(); err == nil {
		t.Error("no error for an exit that was not announced")
	}
}

func TestEndOfInput(t *testing.T) {
	e := begin(t, options())
	e.must(e.input.Close())
	e.must(e.ended())
}

func TestDiagnostics(t *testing.T) {
	e := begin(t, options())
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), moving) // never saved
	list := e.diagnostics(u, 1)
	if len(list) != 1 {
		t.Fatalf("%d diagnostics: %+v", len(list), list)
	}
	d := list[0]
	if d.Range != tag || d.Severity != protocol.DiagnosticSeverityWarning || d.Code != "R004" || d.Source != "galley" {
		t.Errorf("diagnostic %+v, want the range %+v", d, tag)
	}
	if d.CodeDescription == nil || d.CodeDescription.Href != "https://galley.example/rules#R004" {
		t.Errorf("code description %+v", d.CodeDescription)
	}
	if len(d.RelatedInformation) != 1 || d.RelatedInformation[0].Location != (protocol.Location{URI: u, Range: span(1, 2, 5)}) {
		t.Errorf("related information %+v", d.RelatedInformation)
	}
	e.change(u, 2, stable)
	if list := e.diagnostics(u, 2); len(list) != 0 {
		t.Errorf("left after the change: %+v", list)
	}
}

func TestPlainClient(t *testing.T) {
	e := start(t, options())
	_, err := e.Initialize(e.ctx, &protocol.InitializeParams{})
	e.must(err)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), moving)
	list := e.diagnostics(u, 0)
	if len(list) != 1 || list[0].RelatedInformation != nil || list[0].CodeDescription != nil {
		t.Errorf("diagnostics with what the client does not know: %+v", list)
	}
	actions := e.actions(u, tag)
	if len(actions) != 1 || len(actions[0].Edit.Changes[u]) != 1 || actions[0].Edit.DocumentChanges != nil {
		t.Errorf("actions %+v", actions)
	}
}

func TestWholeRecipe(t *testing.T) {
	dir := folder(t, map[string]string{
		"compose.yml":      stable,
		"compose.smtp.yml": "services:\n  app:\n    privileged: true\n",
		".env.sample":      "TYPE=x\nDOMAIN=a.example\n",
	})
	overlay, sample := uri.File(filepath.Join(dir, "compose.smtp.yml")), uri.File(filepath.Join(dir, ".env.sample"))
	e := begin(t, options())
	base := e.open(filepath.Join(dir, "compose.yml"), stable)
	got := map[protocol.DocumentURI]int{}
	for range 3 {
		select {
		case p := <-e.published:
			got[p.URI] = len(p.Diagnostics)
		case <-time.After(patient):
			t.Fatalf("only %v", got)
		}
	}
	if got[base] != 0 || got[overlay] != 1 || got[sample] != 1 {
		t.Errorf("diagnostics by file: %v", got)
	}
	e.change(base, 2, stable+"    environment:\n      DOMAIN: ${DOMAIN}\n")
	if list := e.diagnostics(sample, 0); len(list) != 0 {
		t.Errorf("the sample's variable is used, and yet: %+v", list)
	}
	e.open(filepath.Join(dir, ".env.sample"), "TYPE=x\nDOMAIN=a\nMORE=b\n")
	if list := e.diagnostics(sample, 1); len(list) != 1 || list[0].Range != span(2, 0, 4) {
		t.Errorf("in the sample: %+v", list)
	}
	e.close(sample)
	e.diagnostics(sample, 0)
	e.close(base)
	if list := e.diagnostics(overlay, 0); len(list) != 0 {
		t.Errorf("nothing of the recipe is open, and yet: %+v", list)
	}
}

func TestMissingFile(t *testing.T) {
	e := begin(t, options())
	dir := folder(t, map[string]string{"abra.sh": "export A=v1\n"})
	u := e.open(filepath.Join(dir, "compose.yml"), stable)
	list := e.diagnostics(u, 1)
	if len(list) != 1 || list[0].Message != ".env.sample: there is none" || list[0].Range != span(0, 0, 0) {
		t.Errorf("diagnostics %+v", list)
	}
}

func TestOtherDocumentsAreIgnored(t *testing.T) {
	e := begin(t, options())
	dir := folder(t, map[string]string{"README.md": "# x\n"})
	for _, u := range []protocol.DocumentURI{"untitled:Untitled-1", "http://example/compose.yml", "file://host/compose.yml", ""} {
		e.must(e.DidOpen(e.ctx, &protocol.DidOpenTextDocumentParams{
			TextDocument: protocol.TextDocumentItem{URI: u, Version: 1, Text: moving},
		}))
		e.change(u, 2, moving)
		e.close(u)
	}
	e.open(filepath.Join(dir, "values.yaml"), "image: nginx:latest\n")
	if list := e.diagnostics(e.open(filepath.Join(dir, "README.md"), "# y\n"), 1); len(list) != 0 {
		t.Errorf("in a README of no recipe: %+v", list)
	}
	if list := e.diagnostics(e.open(filepath.Join(dir, "stack.yml"), moving), 1); len(list) != 1 {
		t.Errorf("in a YAML file with services: %+v", list)
	}
}

func TestConfiguration(t *testing.T) {
	dir := folder(t, map[string]string{".galley.yml": "rules:\n  R004: error\n"})
	e := begin(t, options())
	u := e.open(filepath.Join(dir, "compose.yml"), moving)
	if list := e.diagnostics(u, 1); len(list) != 1 || list[0].Severity != protocol.DiagnosticSeverityError {
		t.Errorf("diagnostics %+v", list)
	}
	config := filepath.Join(dir, ".galley.yml")
	write(t, config, "rules:\n  R044: error\n")
	e.must(e.DidSave(e.ctx, &protocol.DidSaveTextDocumentParams{TextDocument: protocol.TextDocumentIdentifier{URI: uri.File(config)}}))
	if list := e.diagnostics(u, 1); len(list) != 1 || !strings.Contains(list[0].Message, "R044") || list[0].Code != nil {
		t.Errorf("diagnostics for a broken configuration: %+v", list)
	}
	write(t, config, "rules:\n  R004: off\n")
	e.must(e.DidChangeWatchedFiles(e.ctx, &protocol.DidChangeWatchedFilesParams{Changes: []*protocol.FileEvent{
		{URI: uri.File(config), Type: protocol.FileChangeTypeChanged},
	}}))
	if list := e.diagnostics(u, 1); len(list) != 0 {
		t.Errorf("diagnostics of a rule that is off: %+v", list)
	}
}

func TestWatching(t *testing.T) {
	e := start(t, options())
	caps := able()
	caps.Workspace.DidChangeWatchedFiles = &protocol.DidChangeWatchedFilesWorkspaceClientCapabilities{DynamicRegistration: true}
	_, err := e.Initialize(e.ctx, &protocol.InitializeParams{Capabilities: caps})
	e.must(err)
	e.must(e.Initialized(e.ctx, &protocol.InitializedParams{}))
	select {
	case p := <-e.watches:
		if len(p.Registrations) != 1 || p.Registrations[0].Method != protocol.MethodWorkspaceDidChangeWatchedFiles {
			t.Errorf("registered %+v", p)
		}
	case <-time.After(patient):
		t.Fatal("nothing is watched")
	}
	e.must(e.Shutdown(e.ctx)) // the answer to the registration did no harm
}

func TestIgnoreComments(t *testing.T) {
	e := begin(t, options())
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), "services:\n  app:\n    image: nginx:latest # galley:ignore R004 a test\n")
	if list := e.diagnostics(u, 1); len(list) != 0 {
		t.Errorf("ignored, and yet: %+v", list)
	}
}

// A rule that panics is told of, and neither ends the session nor hides what the
// others find.
func TestPanickingRule(t *testing.T) {
	opts := options()
	opts.Rules = append(opts.Rules, lint.Rule{ID: "S299", Name: "bug", Check: func(*lint.Pass) { panic("oh") }})
	e := begin(t, opts)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), moving)
	list := e.diagnostics(u, 1)
	if len(list) != 2 || !strings.Contains(list[0].Message, "bug in galley: rule S299") || list[1].Code != "R004" {
		t.Errorf("diagnostics %+v", list)
	}
}

// The newest change wins: what is being linted is given up for it.
func TestNewestChangeWins(t *testing.T) {
	looking, stopped := make(chan string), make(chan error, 1)
	opts := options()
	opts.Debounce = time.Second // only its eightfold counts here
	opts.Rules = append(opts.Rules, lint.Rule{ID: "S299", Name: "slow", Check: func(p *lint.Pass) {
		text := string(p.Recipe.Base.Text.Bytes)
		if !strings.Contains(text, "slow") {
			return
		}
		looking <- text
		select {
		case <-p.Context.Done():
			stopped <- context.Cause(p.Context)
		case <-time.After(patient):
			stopped <- nil
		}
	}})
	e := begin(t, opts)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), "services: {slow: {image: nginx:latest}}\n")
	<-looking
	e.change(u, 2, stable)
	if err := <-stopped; err == nil {
		t.Fatal("the old text was linted to its end")
	}
	select {
	case p := <-e.published:
		if p.Version != 2 || len(p.Diagnostics) != 0 {
			t.Errorf("published %+v", p)
		}
	case <-time.After(patient):
		t.Fatal("the newest text was not linted")
	}
}

// One who never stops typing still sees something.
func TestChangesWithoutEnd(t *testing.T) {
	opts := options()
	opts.Debounce = 20 * time.Millisecond
	e := begin(t, opts)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), stable)
	e.diagnostics(u, 1)
	deadline := time.Now().Add(patient)
	for version := int32(2); ; version++ {
		e.change(u, version, moving)
		select {
		case p := <-e.published:
			if len(p.Diagnostics) != 1 {
				t.Errorf("published %+v", p)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is published while changes come")
		}
	}
}
