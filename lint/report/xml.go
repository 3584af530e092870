package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"unicode/utf8"
)

// xmlDocument is v as an XML document for people to look at, with nothing that a
// terminal would obey.
func xmlDocument(v any) ([]byte, error) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	out.Write(escapeXML(body))
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// escapeXML writes what XML would allow in text and a terminal would obey as
// character references. encoding/xml has taken out what XML does not allow at
// all, and uses none of it in names.
func escapeXML(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r != '\n' && unsafeRune(r) {
			out = fmt.Appendf(out, "&#x%X;", r)
		} else {
			out = append(out, data[:size]...)
		}
		data = data[size:]
	}
	return out
}
