package lsp_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.lsp.dev/protocol"
	"go.lsp.dev/uri"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

func TestHover(t *testing.T) {
	e := begin(t, options())
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), moving)
	h, err := e.hovering(u, tag.Start.Line, tag.Start.Character+1)
	e.must(err)
	if h == nil || h.Contents.Kind != protocol.Markdown || h.Range == nil || *h.Range != tag {
		t.Fatalf("hover %+v", h)
	}
	for _, want := range []string{"**R004 unstable-tag**", `"latest" is an unstable tag`, "# R004\n\n## Why"} {
		if !strings.Contains(h.Contents.Value, want) {
			t.Errorf("hover lacks %q: %s", want, h.Contents.Value)
		}
	}
	if h, err := e.hovering(u, 0, 0); err != nil || h != nil {
		t.Errorf("hover where nothing is: %+v, %v", h, err)
	}
	if h, err := e.hovering("untitled:x", 0, 0); err != nil || h != nil {
		t.Errorf("hover in a document that is no file: %+v, %v", h, err)
	}
}

// A hover is of the newest text, however long the debounce still lasts.
func TestHoverDoesNotWait(t *testing.T) {
	opts := options()
	opts.Debounce = time.Hour
	e := begin(t, opts)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), stable)
	e.diagnostics(u, 1)
	e.change(u, 2, moving)
	h, err := e.hovering(u, tag.Start.Line, tag.End.Character)
	e.must(err)
	if h == nil {
		t.Fatal("no hover")
	}
	if list := e.diagnostics(u, 2); len(list) != 1 {
		t.Errorf("diagnostics %+v", list)
	}
}

func TestQuickFixCures(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"behind an emoji", moving, strings.Replace(moving, "latest", "1.27", 1)},
		{"byte order mark", "\ufeffservices: {a: {image: n:latest}}\n", "\ufeffservices: {a: {image: n:1.27}}\n"},
		{"CR LF", "services:\r\n  a:\r\n    image: n:latest\r\n", "services:\r\n  a:\r\n    image: n:1.27\r\n"},
		{"last line", "services:\n  a:\n    image: n:1.27\n    privileged: true", "services:\n  a:\n    image: n:1.27\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := begin(t, options())
			u := e.open(filepath.Join(t.TempDir(), "compose.yml"), test.text)
			list := e.diagnostics(u, 1)
			if len(list) != 1 {
				t.Fatalf("diagnostics %+v", list)
			}
			actions := e.actions(u, list[0].Range)
			if len(actions) != 1 || len(actions[0].Edit.DocumentChanges) != 1 {
				t.Fatalf("actions %+v", actions)
			}
			change := actions[0].Edit.DocumentChanges[0]
			if version := change.TextDocument.Version; change.TextDocument.URI != u || version == nil || *version != 1 {
				t.Errorf("the edit is of %+v", change.TextDocument)
			}
			cured := apply(t, test.text, change.Edits)
			if cured != test.want {
				t.Errorf("got %q, want %q", cured, test.want)
			}
			e.change(u, 2, cured)
			if list := e.diagnostics(u, 2); len(list) != 0 {
				t.Errorf("left: %+v", list)
			}
		})
	}
}

func TestSafeFixesFirst(t *testing.T) {
	e := begin(t, options())
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), "services:\n  a:\n    image: n:latest\n    privileged: true\n")
	whole := protocol.Range{End: protocol.Position{Line: 4}}
	actions := e.actions(u, whole)
	if len(actions) != 2 {
		t.Fatalf("actions %+v", actions)
	}
	safe, unsafe := actions[0], actions[1]
	if safe.Title != "delete privileged" || !safe.IsPreferred || safe.Kind != protocol.QuickFix || len(safe.Diagnostics) != 1 {
		t.Errorf("first %+v", safe)
	}
	if unsafe.Title != "set the tag 1.27 (may change what is deployed)" || unsafe.IsPreferred {
		t.Errorf("second %+v", unsafe)
	}
	if actions := e.actions(u, span(0, 0, 1)); len(actions) != 0 {
		t.Errorf("actions where nothing is: %+v", actions)
	}
	list, err := e.CodeAction(e.ctx, &protocol.CodeActionParams{
		TextDocument: protocol.TextDocumentIdentifier{URI: u}, Range: whole,
		Context: protocol.CodeActionContext{Only: []protocol.CodeActionKind{protocol.RefactorExtract}},
	})
	if e.must(err); len(list) != 0 {
		t.Errorf("quick fixes for one who wants to refactor: %+v", list)
	}
}

// Many requests and changes at once: every answer is of one version, or says that
// there is a newer one.
func TestConcurrentRequests(t *testing.T) {
	e := begin(t, options())
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), moving)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				var p protocol.CodeActionParams
				p.TextDocument.URI, p.Range = u, tag
				list, err := e.CodeAction(e.ctx, &p)
				if err != nil && codeOf(err) != protocol.CodeContentModified || len(list) > 1 {
					t.Errorf("%d actions, %v", len(list), err)
				}
			}
		})
	}
	for version := int32(2); version < 30; version++ {
		e.change(u, version, moving)
	}
	group.Wait()
	if list := e.diagnostics(u, 29); len(list) != 1 {
		t.Errorf("diagnostics %+v", list)
	}
}

// A fix of a file that is not open is offered only as long as the file is what was
// linted, and then without a version.
func TestFixElsewhere(t *testing.T) {
	opts := options()
	opts.Rules = []lint.Rule{{ID: "R150", Name: "undeclared", Severity: lint.Warning, Check: func(p *lint.Pass) {
		uses := p.Recipe.Base.Uses()
		if p.Recipe.Sample == nil || len(uses) == 0 || p.Recipe.Sample.Declared(uses[0].Variable.Name) {
			return
		}
		end := recipe.Position{Line: p.Recipe.Sample.Text.Lines() + 1, Column: 1}
		p.Report(uses[0].Range, "not declared", lint.WithFix(lint.Fix{Message: "declare it", Safe: true, Edits: []lint.Edit{
			{File: recipe.SampleName, Start: end, End: end, Text: uses[0].Variable.Name + "=\n"},
		}}))
	}}}
	const text, before = "services:\n  a:\n    image: n:${TAG}\n", "TYPE=ü\n"
	dir := folder(t, map[string]string{"compose.yml": text, ".env.sample": before})
	sample := filepath.Join(dir, ".env.sample")
	e := begin(t, opts)
	u := e.open(filepath.Join(dir, "compose.yml"), text)
	at := e.diagnostics(u, 1)[0].Range
	actions := e.actions(u, at)
	if len(actions) != 1 || len(actions[0].Edit.DocumentChanges) != 1 {
		t.Fatalf("actions %+v", actions)
	}
	change := actions[0].Edit.DocumentChanges[0]
	if change.TextDocument.URI != uri.File(sample) || change.TextDocument.Version != nil {
		t.Errorf("the edit is of %+v", change.TextDocument)
	}
	if got := apply(t, before, change.Edits); got != before+"TAG=\n" {
		t.Errorf("got %q", got)
	}
	write(t, sample, "TYPE=other\n")
	if actions := e.actions(u, at); len(actions) != 0 {
		t.Errorf("offered for a file that has changed: %+v", actions)
	}
}

// A request that is cancelled is answered with that, and the session goes on.
func TestCancelledRequest(t *testing.T) {
	looking, stopped := make(chan struct{}), make(chan error, 1)
	opts := options()
	opts.Debounce = time.Hour // only requests lint
	opts.Rules = append(opts.Rules, lint.Rule{ID: "S299", Name: "slow", Check: func(p *lint.Pass) {
		if !strings.Contains(string(p.Recipe.Base.Text.Bytes), "slow") {
			return
		}
		looking <- struct{}{}
		select {
		case <-p.Context.Done():
			stopped <- nil
		case <-time.After(patient):
			stopped <- errors.New("nothing stopped the linting")
		}
	}})
	e := begin(t, opts)
	u := e.open(filepath.Join(t.TempDir(), "compose.yml"), stable)
	e.diagnostics(u, 1)
	e.change(u, 2, "services: {slow: {image: n:latest}}\n")
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan error, 1)
	go func() {
		var p protocol.HoverParams
		p.TextDocument.URI = u
		_, err := e.Hover(ctx, &p)
		done <- err
	}()
	<-looking
	cancel()
	e.must(<-stopped)
	if err := <-done; err == nil {
		t.Error("the request was not cancelled")
	}
	e.change(u, 3, moving)
	if actions := e.actions(u, tag); len(actions) != 1 {
		t.Errorf("actions %+v", actions)
	}
}
