package lsp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/galley-coop/galley/lint"
)

// folder is a folder with open documents, and what was found in the recipes that
// they belong to. Its fields are guarded by the server's mutex.
type folder struct {
	generation int                     // of the newest change
	done       int                     // the generation that found belongs to
	first      time.Time               // of the changes that found does not know
	due        time.Time               // when they are to be linted
	stop       context.CancelCauseFunc // ends the linting under way, nil when there is none
	found      []*finding
}

func (f *folder) stale() bool { return f.done != f.generation }

// folder gives the folder with that path, a new one when it is not known.
func (s *server) folder(dir string) *folder {
	f := s.folders[dir]
	if f == nil {
		f = &folder{}
		s.folders[dir] = f
	}
	return f
}

// concerns tells whether a file may matter to the recipes in a folder: it is in
// it or below it, or it is a configuration above it.
func concerns(name, folder string) bool {
	dir := path.Dir(name)
	return within(folder, dir) || path.Base(name) == lint.ConfigName && within(dir, folder)
}

var errSlow = fmt.Errorf("it was given up after %s", slowest)

// touch notes that a file has changed in the folders that it concerns. atOnce
// leaves out the wait for further changes. It is called with the mutex held.
func (s *server) touch(name string, atOnce bool) {
	now := time.Now()
	for at, f := range s.folders {
		if !concerns(name, at) {
			continue
		}
		if !f.stale() {
			f.first = now
		}
		f.generation++
		deadline := f.first.Add(patience * s.opts.Debounce)
		f.due = now.Add(s.opts.Debounce)
		if f.due.After(deadline) {
			f.due = deadline
		}
		if atOnce {
			f.due = now
		}
		if f.stop != nil && now.Before(deadline) {
			f.stop(errStale)
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// schedule lints folders when they are due, one after the other.
func (s *server) schedule(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		dir, wait := s.next(time.Now())
		if dir != "" && wait <= 0 {
			s.refreshed(ctx, dir)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// next is the folder that is due first, and how long that is from now.
func (s *server) next(now time.Time) (dir string, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = time.Hour
	for _, at := range slices.Sorted(maps.Keys(s.folders)) {
		if f := s.folders[at]; f.stale() && (dir == "" || f.due.Sub(now) < wait) {
			dir, wait = at, f.due.Sub(now)
		}
	}
	return dir, wait
}

// refreshed is refresh for the schedule: what went wrong is logged.
func (s *server) refreshed(ctx context.Context, dir string) {
	_, err := guarded(func() (any, error) { return nil, s.refresh(ctx, dir) })
	if err == nil || ctx.Err() != nil || errors.Is(err, errStale) {
		return
	}
	s.warn(ctx, "linting %q: %v", dir, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[dir]; f != nil { // not again before the next change
		f.done, f.stop = f.generation, nil
	}
}

// refresh lints a folder if it has changed since it was linted, and publishes
// what is found. It is errStale when a newer change came meanwhile: that one will
// be linted.
func (s *server) refresh(ctx context.Context, dir string) error {
	select {
	case s.lint <- struct{}{}:
		defer func() { <-s.lint }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	f := s.folders[dir]
	if f == nil || !f.stale() {
		s.mu.Unlock()
		return nil
	}
	stoppable, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	limited, release := context.WithTimeoutCause(stoppable, slowest, errSlow)
	defer release()
	f.stop = stop
	generation, docs := f.generation, maps.Clone(s.docs)
	s.mu.Unlock()

	found, err := s.look(limited, dir, docs)

	s.mu.Lock()
	f.stop = nil
	if stoppable.Err() != nil {
		s.mu.Unlock()
		return context.Cause(stoppable)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	f.done = generation
	if f.stale() {
		f.first = time.Now()
	}
	messages := s.publications(dir, f, found, docs)
	s.mu.Unlock()
	for _, m := range messages {
		s.send(ctx, m)
	}
	return nil
}

// fresh lints every folder that may know of a file, and is errStale when one of
// them has changed again.
func (s *server) fresh(ctx context.Context, name string) error {
	s.mu.Lock()
	var dirs []string
	for at := range s.folders {
		if concerns(name, at) {
			dirs = append(dirs, at)
		}
	}
	s.mu.Unlock()
	for _, dir := range dirs {
		if err := s.refresh(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}
