package lsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// message is a request, a notification or an answer, as JSON-RPC 2.0 has them.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// isAnswer tells whether the message answers a request of the server's.
func (m *message) isAnswer() bool { return m.Method == "" && (m.Result != nil || m.Error != nil) }

// isRequest tells whether the message wants an answer.
func (m *message) isRequest() bool { return len(m.ID) > 0 && !bytes.Equal(m.ID, null) }

var null = json.RawMessage("null")

// hasGoodID tells whether the ID is a string, a number, or not there.
func (m *message) hasGoodID() bool {
	if len(m.ID) == 0 {
		return true
	}
	first := m.ID[0]
	return first == '"' || first == '-' || first >= '0' && first <= '9'
}

// Codes of errors: of JSON-RPC 2.0 (section 5.1), and of the language server
// protocol 3.17 (ErrorCodes, LSPErrorCodes).
const (
	codeParseError      = -32700
	codeInvalidRequest  = -32600
	codeMethodNotFound  = -32601
	codeInvalidParams   = -32602
	codeInternalError   = -32603
	codeNotInitialized  = -32002
	codeContentModified = -32801
	codeCancelled       = -32800
)

// rpcError is an error with a code, as answers carry it.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error is the message.
func (e *rpcError) Error() string { return e.Message }

func rpcErrorf(code int, format string, args ...any) *rpcError {
	return &rpcError{code, fmt.Sprintf(format, args...)}
}

var (
	errStale     = rpcErrorf(codeContentModified, "the document has changed since")
	errCancelled = rpcErrorf(codeCancelled, "the request was cancelled")
)

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result"`
}

type errorAnswer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   *rpcError       `json:"error"`
}

type call struct {
	Version string `json:"jsonrpc"`
	ID      any    `json:"id,omitempty"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

const rpcVersion = "2.0"

// answerTo is what is sent for a request: the result, or the error when there is
// one.
func answerTo(id json.RawMessage, result any, err error) any {
	if err == nil {
		return answer{rpcVersion, id, result}
	}
	var coded *rpcError
	if !errors.As(err, &coded) {
		coded = rpcErrorf(codeInternalError, "%v", err)
	}
	return errorAnswer{rpcVersion, id, coded}
}

func notification(method string, params any) any {
	return call{Version: rpcVersion, Method: method, Params: params}
}

// encode is v as JSON, with < and > as they are.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// params reads a request's or a notification's parameters.
func params[T any](data json.RawMessage) (T, error) {
	var read T
	if len(data) == 0 {
		return read, rpcErrorf(codeInvalidParams, "the parameters are missing")
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return read, rpcErrorf(codeInvalidParams, "reading the parameters: %v", err)
	}
	return read, nil
}
