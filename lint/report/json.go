package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/galley-coop/galley/lint"
)

// jsonReport is the result as lint.Result defines its JSON, indented for whoever
// looks at it.
func jsonReport(r *lint.Result, _ Options) ([]byte, error) {
	raw, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	return escapeJSON(out.Bytes()), nil
}

// jsonLines is one object on each line, with what it is under "type": every
// finding, every suppressed one when they are listed, every skip, and the summary
// at the end, so that a report that was cut off is known by its last line. Beside
// the type they are what they are in JSON.
func jsonLines(r *lint.Result, _ Options) ([]byte, error) {
	raw, err := r.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var parts struct {
		Findings, Suppressed, Skipped []json.RawMessage
		Summary                       json.RawMessage
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	line := func(kind string, object json.RawMessage) {
		fmt.Fprintf(&out, `{"type":%q,%s`+"\n", kind, bytes.TrimPrefix(object, []byte("{")))
	}
	for _, f := range parts.Findings {
		line("finding", f)
	}
	for _, f := range parts.Suppressed {
		line("suppressed", f)
	}
	for _, s := range parts.Skipped {
		line("skipped", s)
	}
	line("summary", parts.Summary)
	return escapeJSON(out.Bytes()), nil
}

// indented is v as JSON for people to look at, with nothing that a terminal would
// obey.
func indented(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return escapeJSON(out.Bytes()), nil
}

// escapeJSON escapes what JSON would allow in strings and a terminal would obey:
// C1 controls and marks of direction. None is part of JSON's own syntax.
func escapeJSON(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/64)
	for len(data) > 0 {
		if n := printable(data); n > 0 {
			out, data = append(out, data[:n]...), data[n:]
			continue
		}
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n' || r == utf8.RuneError || !unsafeRune(r):
			out = append(out, data[:size]...)
		case r > 0xffff: // a pair of surrogates (RFC 8259, 7)
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		data = data[size:]
	}
	return out
}

// printable is how many bytes at the start are ASCII that needs no look.
func printable(data []byte) int {
	for i, b := range data {
		if (b < ' ' || b > '~') && b != '\n' {
			return i
		}
	}
	return len(data)
}
