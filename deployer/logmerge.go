package deployer

import (
	"context"
	"time"
)

// logSource is one task's log on its way: lines, in order, until it is closed.
type logSource struct {
	lines chan LogLine
	head  *LogLine // taken from lines and not given on yet
	ended bool
	// waitUntil is how long a source without a line keeps the others waiting. It is
	// moved on whenever a line came: a burst is let through in order.
	waitUntil time.Time
}

// logBuffer is how many lines of each source are held at most: memory is bounded
// by the number of tasks.
const logBuffer = 64

// merger gives the lines of many logs in the order of their times. A log that is
// followed may have nothing to say for hours: the others wait for it for patience
// and no longer; a line that comes later is given when it comes.
type merger struct {
	sources []*logSource
	// added brings sources until it is closed, and nil once, behind those of the
	// start: no line is given before, for an earlier one may come. wake is poked
	// after each of their lines and ends.
	added    chan *logSource
	wake     chan struct{}
	follow   bool
	patience time.Duration
	begun    bool // nil came
	// idle is called when nothing more of the start is to be had; again later.
	idle func() error
}

// run gives lines to emit until all sources have ended and none can be added any
// more (added is closed), or emit fails, or ctx ends.
func (m *merger) run(ctx context.Context, emit func(LogLine) error) error {
	added := m.added
	for {
		m.fill()
		next, until := m.next(time.Now())
		switch {
		case next != nil:
			line := *next.head
			next.head = nil
			if err := emit(line); err != nil {
				return err
			}
			continue
		case len(m.sources) == 0 && added == nil:
			return nil
		case m.begun && until.IsZero() && m.follow:
			if err := m.idle(); err != nil {
				return err
			}
		}
		if err := m.wait(ctx, &added, until); err != nil {
			return err
		}
	}
}

// fill takes a line from each source that has one, and forgets those that ended.
func (m *merger) fill() {
	kept := m.sources[:0]
	for _, s := range m.sources {
		if s.head == nil && !s.ended {
			select {
			case line, ok := <-s.lines:
				s.take(line, ok, m.patience)
			default: // nothing yet
			}
		}
		if s.head != nil || !s.ended {
			kept = append(kept, s)
		}
	}
	clear(m.sources[len(kept):])
	m.sources = kept
}

func (s *logSource) take(line LogLine, ok bool, patience time.Duration) {
	if !ok {
		s.ended = true
		return
	}
	s.head, s.waitUntil = &line, time.Now().Add(patience)
}

// next is the source of the earliest line, nil while one must be waited for: then
// until is when the waiting is over, zero for never.
func (m *merger) next(now time.Time) (earliest *logSource, until time.Time) {
	if !m.begun {
		return nil, time.Time{}
	}
	for _, s := range m.sources {
		switch {
		case s.head != nil:
			if earliest == nil || s.head.Time.Before(earliest.head.Time) {
				earliest = s
			}
		case !m.follow:
			return nil, time.Time{}
		case now.Before(s.waitUntil) && (until.IsZero() || s.waitUntil.Before(until)):
			until = s.waitUntil
		}
	}
	if !until.IsZero() {
		return nil, until
	}
	return earliest, time.Time{}
}

// wait waits for a line or the end of any source, a new source, or until.
func (m *merger) wait(ctx context.Context, added *chan *logSource, until time.Time) error {
	var passed <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-passed:
	case <-m.wake:
	case s, ok := <-*added:
		if !ok {
			*added = nil
			break
		}
		if s == nil {
			m.begun = true
			break
		}
		s.waitUntil = time.Now().Add(m.patience)
		m.sources = append(m.sources, s)
	}
	return nil
}

// poke wakes the merger; one that is awake already looks again anyway.
func (m *merger) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
