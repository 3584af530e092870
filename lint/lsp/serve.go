// Package lsp is a language server: it shows an editor what the linter finds in
// the compose files and recipes that are open in it, explains it and offers what
// cures it. It speaks the language server protocol 3.17 over a pair of streams.
//
// It knows no rule, and refuses to change a file: the editor does that, when its
// user says so, and only in the text that was looked at. A URI that is no file's
// is ignored. It asks nothing of a network.
package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/galley-coop/galley/lint"
)

// Options say what the server lints with. Only Rules is needed.
type Options struct {
	Rules []lint.Rule
	// Page is a rule's page by its ID, Markdown, for hovering.
	Page func(id string) (string, bool)
	// Link is the web address of a rule's page, "" for none.
	Link func(id string) string
	// Version is told to the editor.
	Version string
	// Load is how recipes are read. Without Configs the nearest configuration
	// counts, and is read anew each time.
	Load lint.LoadOptions
	// Lint is how rules are run. Comments always hide what they hide.
	Lint lint.Options
	// Debounce is how long an editor must be quiet before the newest text is
	// linted, but never longer than eight times that after the first change; 0
	// means 150 ms.
	Debounce time.Duration
}

const (
	defaultDebounce = 150 * time.Millisecond
	patience        = 8                // debounces until changes are not waited for any more
	slowest         = 30 * time.Second // that the linting of one folder may take
	grace           = 2 * time.Second  // for answers under way when the session ends
	maxRequests     = 8                // answered side by side
	maxQueue        = 64               // messages that wait to be written
)

var errEnded = errors.New("the session has ended")

// Serve talks to one editor until it says exit, in ends or ctx does. The end of
// in is no error, and neither is an exit that was announced by a shutdown.
//
// When ctx ends first, one goroutine stays in a read of in, which only its
// closing ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, opts Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := newServer(opts, cancel)
	frames := make(chan frame)
	written := make(chan struct{})
	go readFrames(ctx, in, frames)
	go s.write(out, written)
	s.work.Go(func() { s.schedule(ctx) })
	err := s.receive(ctx, frames)
	cancel(errEnded)
	s.settle(written)
	return err
}

// server is one session.
type server struct {
	opts   Options
	fail   context.CancelCauseFunc // ends the session
	queue  chan []byte             // messages to be written
	wake   chan struct{}           // to look again what is due
	lint   chan struct{}           // held by the one that lints and publishes
	places chan struct{}           // of requests that are answered
	work   sync.WaitGroup          // everything that sends

	mu        sync.Mutex
	state     state
	client    clientCapabilities
	running   map[string]context.CancelFunc // requests, by ID
	docs      map[string]*document          // open ones, by path
	folders   map[string]*folder            // with open documents or something published
	published map[string]sent               // by path
}

// state is how far a session is.
type state int

const (
	begun state = iota
	initialized
	shutDown
)

func newServer(opts Options, fail context.CancelCauseFunc) *server {
	if opts.Debounce <= 0 {
		opts.Debounce = defaultDebounce
	}
	opts.Lint.Ignores = true
	return &server{
		opts: opts, fail: fail,
		queue: make(chan []byte, maxQueue), wake: make(chan struct{}, 1),
		lint: make(chan struct{}, 1), places: make(chan struct{}, maxRequests),
		running: map[string]context.CancelFunc{}, docs: map[string]*document{},
		folders: map[string]*folder{}, published: map[string]sent{},
	}
}

// receive takes messages in their order until the session ends.
func (s *server) receive(ctx context.Context, frames <-chan frame) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-frames:
			switch {
			case errors.Is(f.err, io.EOF):
				return nil
			case errors.Is(f.err, errTooLarge):
				s.send(ctx, answerTo(null, nil, rpcErrorf(codeInvalidRequest, "%v", f.err)))
				continue
			case f.err != nil:
				return f.err
			}
			if last, err := s.take(ctx, f.content); last {
				return err
			}
		}
	}
}

// take reads one message and sees to it. last is true after exit.
func (s *server) take(ctx context.Context, content []byte) (last bool, err error) {
	var m message
	if err := json.Unmarshal(content, &m); err != nil {
		s.send(ctx, answerTo(null, nil, rpcErrorf(unreadableCode(content), "reading a message: %v", err)))
		return false, nil
	}
	switch {
	case m.isAnswer():
	case m.Method == "" || !m.hasGoodID():
		s.send(ctx, answerTo(null, nil, rpcErrorf(codeInvalidRequest, "a message needs a method, and an ID that is a string or a number")))
	case m.isRequest():
		s.answer(ctx, m)
	case m.Method == "exit":
		if s.is() != shutDown {
			return true, errors.New("the editor asked to exit, and not to shut down before")
		}
		return true, nil
	default:
		s.notice(ctx, m)
	}
	return false, nil
}

// unreadableCode tells what is no JSON from what is no message.
func unreadableCode(content []byte) int {
	if json.Valid(content) {
		return codeInvalidRequest
	}
	return codeParseError
}

func (s *server) is() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// send queues a message. It is dropped when the session ends before there is
// room: nobody reads any more.
func (s *server) send(ctx context.Context, message any) {
	data, err := encode(message)
	if err != nil {
		s.fail(err) // what is sent can be encoded: a bug
		return
	}
	select {
	case s.queue <- data: // while there is room, also at the end
		return
	default:
	}
	select {
	case s.queue <- data:
	case <-ctx.Done():
	}
}

// write writes what is queued until the queue is closed. After a failed write
// the rest is dropped.
func (s *server) write(out io.Writer, done chan<- struct{}) {
	defer close(done)
	broken := false
	for data := range s.queue {
		if broken {
			continue
		}
		if err := writeFrame(out, data); err != nil {
			broken = true
			s.fail(err)
		}
	}
}

// settle waits for what is under way and has it written, as long as grace lasts:
// an editor that reads nothing does not keep the process.
func (s *server) settle(written <-chan struct{}) {
	go func() {
		s.work.Wait()
		close(s.queue)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
	}
}

// warn writes into the editor's log.
func (s *server) warn(ctx context.Context, format string, args ...any) {
	s.send(ctx, notification("window/logMessage", logMessageParams{logWarning, fmt.Sprintf(format, args...)}))
}

// guarded calls work, and turns a panic into an error: a bug must not take the
// editor's session with it.
func guarded[T any](work func() (T, error)) (result T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("a bug in galley: panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return work()
}
