package deployer

import "time"

// maxTailBytes bounds what a tailer holds; the oldest lines go first.
const maxTailBytes = 64 << 20

// tailFor is how long the start of a followed log may last: one that never pauses
// must not keep its last lines back for ever.
const tailFor = 2 * time.Second

// tailer keeps the last lines of what a log has at the start, and hands on what
// comes after.
type tailer struct {
	size  int // 0 keeps nothing back
	emit  func(LogLine) error
	until time.Time // when the start is over at the latest, zero when it ends with the log
	kept  []LogLine
	bytes int
}

func (t *tailer) add(line LogLine) error {
	if t.size == 0 {
		return t.emit(line)
	}
	t.kept = append(t.kept, line)
	t.bytes += len(line.Line)
	for len(t.kept) > t.size || t.bytes > maxTailBytes {
		t.bytes -= len(t.kept[0].Line)
		t.kept[0] = LogLine{}
		t.kept = t.kept[1:]
	}
	if !t.until.IsZero() && time.Now().After(t.until) {
		return t.flush()
	}
	return nil
}

// flush gives what was kept: the start is over.
func (t *tailer) flush() error {
	kept := t.kept
	t.kept, t.size = nil, 0
	for _, line := range kept {
		if err := t.emit(line); err != nil {
			return err
		}
	}
	return nil
}
