package lsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/lint"
)

func TestReadFrame(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		err            error
	}{
		{"plain", "Content-Length: 2\r\n\r\n{}", "{}", nil},
		{"other headers, other case", "Content-Type: x\r\ncontent-length:2\r\n\r\n{}", "{}", nil},
		{"LF alone", "Content-Length: 2\n\n{}", "{}", nil},
		{"stray lines before", "debug: hello\n\n\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"no length that counts", "Content-Length: -1\r\nContent-Length: x\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"empty", "Content-Length: 0\r\n\r\n", "", nil},
		{"end", "", "", io.EOF},
		{"end in the headers", "Content-Le", "", io.ErrUnexpectedEOF},
		{"end in the content", "Content-Length: 9\r\n\r\n{}", "", io.ErrUnexpectedEOF},
		{"a long line", strings.Repeat("x", 2*maxHeaders), "", errNoMessages},
		{"many lines", strings.Repeat("x\n", maxHeaders), "", errNoMessages},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readFrame(bufio.NewReaderSize(strings.NewReader(test.in), maxHeaders))
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

// A message that is too large is passed over, and never held in memory.
func TestTooLargeMessage(t *testing.T) {
	in := io.MultiReader(
		strings.NewReader(fmt.Sprintf("Content-Length: %d\r\n\r\n", maxMessage+1)),
		io.LimitReader(zeros{}, maxMessage+1),
		strings.NewReader(framed(`{"jsonrpc":"2.0","id":7,"method":"shutdown"}`)),
	)
	answers := talk(t, in)
	if len(answers) != 2 || answers[0].Error.Code != codeInvalidRequest || string(answers[1].ID) != "7" {
		t.Errorf("answers %+v", answers)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func framed(content string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
}

type answered struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Error  rpcError        `json:"error"`
}

// talk serves one input to its end and gives everything that was said.
func talk(t *testing.T, in io.Reader) []answered {
	t.Helper()
	var out bytes.Buffer
	rules := []lint.Rule{{ID: "S299", Name: "none", Check: func(*lint.Pass) {}}}
	if err := Serve(context.Background(), in, &out, Options{Rules: rules}); err != nil {
		t.Fatal(err)
	}
	var list []answered
	for r := bufio.NewReaderSize(&out, maxHeaders); ; {
		content, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		var a answered
		if err := json.Unmarshal(content, &a); err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
}

const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}}`

// Each malformed message is answered as JSON-RPC wants, and the next one is
// understood.
func TestMalformedMessages(t *testing.T) {
	for _, test := range []struct {
		name, content string
		code          int    // of the answer; 0 for none
		says          string // the method of what is said instead
	}{
		{"no JSON", `{`, codeParseError, ""},
		{"NUL", "\x00", codeParseError, ""},
		{"not UTF-8", "{\"method\":\"\xff\",\"id\":1}", codeMethodNotFound, ""},
		{"deep", strings.Repeat("[", 100_000), codeParseError, ""},
		{"a list", `[]`, codeInvalidRequest, ""},
		{"a number", `3`, codeInvalidRequest, ""},
		{"nothing in it", `{}`, codeInvalidRequest, ""},
		{"a method that is none", `{"id":1,"method":3}`, codeInvalidRequest, ""},
		{"an ID that is none", `{"id":{},"method":"shutdown"}`, codeInvalidRequest, ""},
		{"an answer to nothing", `{"id":99,"result":null,"error":{}}`, 0, ""},
		{"no parameters", `{"id":1,"method":"textDocument/hover"}`, codeInvalidParams, ""},
		{"wrong parameters", `{"id":1,"method":"textDocument/hover","params":[1]}`, codeInvalidParams, ""},
		{"a negative line", `{"id":1,"method":"textDocument/hover","params":{"position":{"line":-1}}}`, codeInvalidParams, ""},
		{"unknown method", `{"id":1,"method":"x"}`, codeMethodNotFound, ""},
		{"unknown notification", `{"method":"$/x"}`, 0, ""},
		{"a change of nothing", `{"method":"textDocument/didChange","params":{}}`, 0, ""},
		{"a change of what is not open", `{"method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///a"},"contentChanges":[{"text":""}]}}`, 0, "window/logMessage"},
		{"a notification with wrong parameters", `{"method":"textDocument/didOpen","params":3}`, 0, "window/logMessage"},
		{"a request to cancel what is not there", `{"method":"$/cancelRequest","params":{"id":"x"}}`, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := talk(t, strings.NewReader(framed(hello)+framed(test.content)+framed(`{"id":"end","method":"shutdown"}`)+framed(`{"method":"exit"}`)))
			said := answered{}
			for _, a := range answers {
				if id := string(a.ID); id != "0" && id != `"end"` {
					said = a
				}
			}
			if said.Error.Code != test.code || said.Method != test.says {
				t.Errorf("said %+v", said)
			}
			if got := len(answers); (test.code != 0 || test.says != "") != (got == 3) {
				t.Errorf("%d messages: %+v", got, answers)
			}
		})
	}
}

// One who reads nothing does not keep the server once the input has ended.
func TestNobodyReads(t *testing.T) {
	in := strings.NewReader(strings.Repeat(framed(hello), 2))
	_, out := io.Pipe() // a write blocks
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), in, out, Options{}) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * grace):
		t.Fatal("the server does not end")
	}
}

func TestFailedWrite(t *testing.T) {
	in, editor := io.Pipe()
	defer editor.Close()
	closed, out := io.Pipe()
	closed.Close()
	go func() { _, _ = io.WriteString(editor, framed(hello)) }()
	if err := Serve(context.Background(), in, out, Options{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	in, editor := io.Pipe()
	defer editor.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Serve(ctx, in, io.Discard, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// FuzzServe says anything to the server: it must come to an end, and not crash.
func FuzzServe(f *testing.F) {
	open := `{"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///galley-fuzz/compose.yml","version":1,"text":"services: {a: {image: 🚢}}"}}}`
	hover := `{"id":1,"method":"textDocument/hover","params":{"textDocument":{"uri":"file:///galley-fuzz/compose.yml"},"position":{"line":0,"character":1}}}`
	f.Add([]byte(framed(hello) + framed(open) + framed(hover) + framed(`{"id":2,"method":"shutdown"}`) + framed(`{"method":"exit"}`)))
	f.Add([]byte("Content-Length: 99999999999\r\n\r\n"))
	rule := lint.Rule{ID: "S299", Name: "images", Check: func(p *lint.Pass) {
		for _, s := range p.Services() {
			p.Reportf(s.Node.Get("image").Range(), "here")
		}
	}}
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = Serve(context.Background(), bytes.NewReader(in), io.Discard, Options{Rules: []lint.Rule{rule}})
	})
}
