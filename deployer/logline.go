package deployer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// LogLine is one line that a task wrote.
type LogLine struct {
	Time    time.Time `json:"time"` // by its node's clock; zero for galley's own notes
	Service string    `json:"service"`
	Slot    int       `json:"slot"` // 0 for a global service
	Task    string    `json:"task"`
	Node    string    `json:"node"`
	Stream  string    `json:"stream"` // "stdout" or "stderr"; a task with a terminal has but one
	Line    string    `json:"line"`   // without its end
}

// maxLogLine bounds one line, in bytes. Engines cut theirs at 16 KiB.
const maxLogLine = 64 << 10

// The streams of a multiplexed log: the first of the eight bytes before each frame;
// the last four are its length (github.com/moby/moby, pkg/stdcopy).
const (
	frameStdout = 1
	frameStderr = 2
	frameSystem = 3 // the engine's own word on why there is no more
	frameHeader = 8
	maxFrame    = 1 << 20
)

// logReader reads the lines of one task's log.
type logReader struct {
	in  *bufio.Reader
	tty bool // the log is of a terminal: it has no frames
	// rest are lines of the last frame that were not given yet.
	rest   []byte
	stream string
}

func newLogReader(in io.Reader, tty bool) *logReader {
	return &logReader{in: bufio.NewReaderSize(in, 32<<10), tty: tty, stream: "stdout"}
}

// logEnd is the engine's word on why a log ends early.
type logEnd struct{ says string }

func (e logEnd) Error() string { return e.says }

// next is the next line with its stamp; io.EOF is the end. A line without a stamp
// that can be read has the zero time.
func (r *logReader) next() (at time.Time, stream, line string, err error) {
	var text []byte
	if r.tty {
		text, err = r.terminalLine()
	} else {
		text, err = r.framedLine()
	}
	if err != nil {
		return time.Time{}, "", "", err
	}
	stamp, rest, ok := bytes.Cut(text, []byte(" "))
	if ok {
		at, err = time.Parse(time.RFC3339Nano, string(stamp))
	}
	if !ok || err != nil {
		return time.Time{}, r.stream, string(text), nil
	}
	return at, r.stream, string(rest), nil
}

// terminalLine is a line of a task that has a terminal; what is too long is cut.
func (r *logReader) terminalLine() ([]byte, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if keep := min(len(part), maxLogLine-len(line)); keep > 0 {
			line = append(line, part[:keep]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0:
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// framedLine is a line of a frame; a frame is one line, as engines write them.
func (r *logReader) framedLine() ([]byte, error) {
	for len(r.rest) == 0 {
		if err := r.frame(); err != nil {
			return nil, err
		}
	}
	line, rest, _ := bytes.Cut(r.rest, []byte("\n"))
	r.rest = rest
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (r *logReader) frame() error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r.in, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return io.EOF
		}
		return err
	}
	size := binary.BigEndian.Uint32(header[4:])
	if header[0] > frameSystem || size > maxFrame {
		return fmt.Errorf("the log has a frame of stream %d and %d bytes; expected streams up to %d and %d bytes", header[0], size, frameSystem, maxFrame)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return io.EOF
	}
	switch header[0] {
	case frameSystem:
		return logEnd{oneLine(string(body))}
	case frameStderr:
		r.stream = "stderr"
	default:
		r.stream = "stdout"
	}
	if len(body) > maxLogLine {
		body = body[:maxLogLine]
	}
	r.rest = body
	return nil
}
