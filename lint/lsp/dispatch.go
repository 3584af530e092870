package lsp

import (
	"context"
	"encoding/json"
	"errors"
)

// answer sees to a request. What may have to wait for the linter is done beside
// the reading of further messages.
func (s *server) answer(ctx context.Context, m message) {
	if err := s.admit(m.Method); err != nil {
		s.send(ctx, answerTo(m.ID, nil, err))
		return
	}
	switch m.Method {
	case "initialize":
		s.answerNow(ctx, m, func() (any, error) { return s.initialize(m.Params) })
	case "shutdown":
		s.answerNow(ctx, m, func() (any, error) { return nil, s.shutdown() })
	case "textDocument/hover":
		s.answerLater(ctx, m, s.hover)
	case "textDocument/codeAction":
		s.answerLater(ctx, m, s.codeAction)
	default:
		s.send(ctx, answerTo(m.ID, nil, rpcErrorf(codeMethodNotFound, "there is no method %q", m.Method)))
	}
}

// admit refuses what does not belong to the session's state.
func (s *server) admit(method string) error {
	switch state := s.is(); {
	case state == shutDown:
		return rpcErrorf(codeInvalidRequest, "the server has been shut down")
	case state == begun && method != "initialize":
		return rpcErrorf(codeNotInitialized, "the server has not been initialized")
	case state == initialized && method == "initialize":
		return rpcErrorf(codeInvalidRequest, "the server has been initialized already")
	}
	return nil
}

func (s *server) answerNow(ctx context.Context, m message, work func() (any, error)) {
	result, err := guarded(work)
	s.send(ctx, answerTo(m.ID, result, err))
}

func (s *server) answerLater(ctx context.Context, m message, work func(context.Context, json.RawMessage) (any, error)) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return
	}
	id := string(m.ID)
	request, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.running[id] = cancel
	s.mu.Unlock()
	s.work.Go(func() {
		result, err := guarded(func() (any, error) { return work(request, m.Params) })
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			err = errCancelled
		}
		s.mu.Lock()
		delete(s.running, id)
		s.mu.Unlock()
		cancel()
		<-s.places
		s.send(ctx, answerTo(m.ID, result, err))
	})
}

// notice sees to a notification. Those that it does not know are ignored, as the
// protocol wants.
func (s *server) notice(ctx context.Context, m message) {
	if s.is() != initialized {
		return
	}
	_, err := guarded(func() (any, error) { return nil, s.noticed(ctx, m) })
	if err != nil {
		s.warn(ctx, "%s: %v", m.Method, err)
	}
}

func (s *server) noticed(ctx context.Context, m message) error {
	switch m.Method {
	case "initialized":
		s.watch(ctx)
	case "$/cancelRequest":
		return s.cancelRequest(m.Params)
	case "textDocument/didOpen":
		return s.didOpen(m.Params)
	case "textDocument/didChange":
		return s.didChange(m.Params)
	case "textDocument/didSave":
		return s.didSave(m.Params)
	case "textDocument/didClose":
		return s.didClose(m.Params)
	case "workspace/didChangeWatchedFiles":
		return s.didChangeFiles(m.Params)
	}
	return nil
}

func (s *server) initialize(data json.RawMessage) (any, error) {
	p, err := params[initializeParams](data)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.state = p.Capabilities, initialized
	return initializeResult{
		ServerInfo: serverInfo{Name: "galley", Version: s.opts.Version},
		Capabilities: serverCapabilities{
			PositionEncoding: "utf-16",
			TextDocumentSync: syncOptions{OpenClose: true, Change: syncFull},
			HoverProvider:    true,
			CodeAction:       codeActionOptions{Kinds: []string{kindQuickFix}},
		},
	}, nil
}

func (s *server) shutdown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = shutDown
	return nil
}

func (s *server) cancelRequest(data json.RawMessage) error {
	p, err := params[cancelParams](data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[string(p.ID)]; cancel != nil {
		cancel()
	}
	return nil
}

// watch asks the editor to tell of changes on disk, where it can.
func (s *server) watch(ctx context.Context) {
	s.mu.Lock()
	can := s.client.Workspace.WatchedFiles.DynamicRegistration
	s.mu.Unlock()
	if !can {
		return
	}
	var watchers []watcher
	for _, pattern := range []string{"**/*.{yml,yaml}", "**/.env.sample", "**/abra.sh", "**/README.md"} {
		watchers = append(watchers, watcher{pattern})
	}
	s.send(ctx, call{
		Version: rpcVersion, ID: "watch", Method: "client/registerCapability",
		Params: registrationParams{[]registration{{
			ID: "watch", Method: "workspace/didChangeWatchedFiles", Options: watcherOptions{watchers},
		}}},
	})
}
