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
func jsonReport(r *lint.Result) ([]byte, error) {
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

// escapeJSON escapes what JSON would allow in strings and a terminal would obey:
// C1 controls and marks of direction. None is part of JSON's own syntax.
func escapeJSON(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
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
