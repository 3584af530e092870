package lsp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of what is read at once. The largest file that a recipe may hold, every
// character of it escaped, is a message that fits.
const (
	maxMessage = 32 << 20 // bytes of a message's content
	maxHeaders = 8 << 10  // bytes from one message's content to the next one's
)

var (
	errTooLarge   = fmt.Errorf("the message is larger than %d bytes", maxMessage)
	errNoMessages = errors.New("what comes in are no messages of the language server protocol: there is no Content-Length")
)

// frame is one message's content, or why there is none. After errTooLarge others
// may follow; after any other error none does.
type frame struct {
	content []byte
	err     error
}

// readFrames reads messages until the input ends, and sends them.
func readFrames(ctx context.Context, in io.Reader, frames chan<- frame) {
	r := bufio.NewReaderSize(in, maxHeaders)
	for {
		content, err := readFrame(r)
		select {
		case frames <- frame{content, err}:
		case <-ctx.Done():
			return
		}
		if err != nil && !errors.Is(err, errTooLarge) {
			return
		}
	}
}

// readFrame reads the next message's content. Lines that are no headers are
// passed over, so that a stray print into the stream does not end the session.
// The error is io.EOF when the input ends between messages.
func readFrame(r *bufio.Reader) ([]byte, error) {
	length, read := -1, 0
	for {
		line, err := r.ReadSlice('\n')
		if read += len(line); read > maxHeaders || errors.Is(err, bufio.ErrBufferFull) {
			return nil, errNoMessages
		}
		if err != nil {
			return nil, ended(err, read)
		}
		header := strings.TrimRight(string(line), "\r\n")
		if header == "" && length >= 0 {
			break
		}
		if n, ok := contentLength(header); ok {
			length = n
		}
	}
	if length > maxMessage {
		if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
			return nil, ended(err, read)
		}
		return nil, errTooLarge
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, ended(err, read)
	}
	return content, nil
}

// ended is io.EOF only when nothing of a message was read.
func ended(err error, read int) error {
	if errors.Is(err, io.EOF) && read > 0 {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("reading a message: %w", err)
}

func contentLength(header string) (int, bool) {
	name, value, ok := strings.Cut(header, ":")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	return n, err == nil && n >= 0
}

// writeFrame writes one message in one call, headers and content.
func writeFrame(w io.Writer, content []byte) error {
	framed := make([]byte, 0, len(content)+32)
	framed = fmt.Appendf(framed, "Content-Length: %d\r\n\r\n", len(content))
	if _, err := w.Write(append(framed, content...)); err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	return nil
}
