package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxFileSize is the largest file, in bytes, that is read from a recipe. The
// limit keeps a hostile or mistaken repository from filling the memory; the
// largest compose file known has 60 kB.
const MaxFileSize = 4 << 20

// maxNodes bounds every walk over a document, aliases expanded, so that an
// alias bomb or a cyclic anchor ends as a finding.
const maxNodes = 1 << 18

// Document is one YAML file, parsed once: the text, its node tree, and what is
// wrong with it as YAML. Root is absent when the file does not parse.
type Document struct {
	Text   *Text
	Errors []Problem
	root   *yaml.Node
	large  sync.Map // *yaml.Node → map[string]int: where the keys of large mappings are

	twice      sync.Once // several rules ask for the same
	duplicated []DuplicateKey
}

// Problem is something wrong with a file as such: it cannot be read, or it is
// not in the language that its name promises.
type Problem struct {
	Range   Range
	Message string
}

func (p Problem) Error() string {
	if p.Range.Start.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Range.File, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.Range.File, p.Range.Start.Line, p.Range.Start.Column, p.Message)
}

// ParseDocument parses data as one YAML document. It never fails: what is wrong
// stands in Errors, and a file that does not parse has no Root. A byte order
// mark is dropped, so that columns count from the first character that is seen.
func ParseDocument(path string, data []byte) *Document {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := &Document{Text: NewText(path, data)}
	if at := badByte(data); at >= 0 {
		d.fail(d.Text.Range(at, at+1), describeByte(data[at]))
		return d
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		d.failYAML(err)
		return d
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) == 0 {
		d.fail(d.Text.LineRange(1), "the file is empty; expected a mapping with services")
		return d
	}
	d.root = root.Content[0]
	if d.root.Kind != yaml.MappingNode {
		d.fail(d.Root().Range(), fmt.Sprintf("the top level is a %s; expected a mapping with services", kindName(d.root.Kind)))
	}
	if n := countNodes(d.root, maxNodes); n >= maxNodes {
		d.fail(d.Text.LineRange(1), fmt.Sprintf("more than %d values once aliases are followed", maxNodes))
		d.root = nil
	}
	return d
}

func (d *Document) fail(r Range, message string) {
	d.Errors = append(d.Errors, Problem{Range: r, Message: message})
}

// failYAML keeps the parser's message and mark. The mark may stand one line
// behind the text, at its end: the last line is what can be shown.
func (d *Document) failYAML(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.fail(d.Text.LineRange(1), err.Error())
		return
	}
	at := Position{Line: load.Mark.Line, Column: load.Mark.Column}
	if at.Line == 0 {
		at = Position{1, 1}
	}
	if last := d.Text.Lines(); at.Line > last {
		at = d.Text.LineRange(last).End
	}
	message := load.Message
	if load.ContextMsg != "" {
		message = fmt.Sprintf("%s, %s that starts at line %d", message, load.ContextMsg, min(load.ContextMark.Line, d.Text.Lines()))
	}
	from := d.Text.Offset(at)
	to := from
	if to < len(d.Text.Bytes) && d.Text.Bytes[to] != '\n' {
		_, size := utf8.DecodeRune(d.Text.Bytes[to:])
		to += size
	}
	d.fail(d.Text.Range(from, to), message)
}

// badByte is the offset of the first byte that a YAML stream may not hold
// (YAML 1.2, 5.1): no UTF-8, or a control character. The parser knows it too,
// but does not say where.
func badByte(data []byte) int {
	for i := 0; i < len(data); {
		b := data[i]
		if b < utf8.RuneSelf {
			if b < 0x20 && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 || r >= 0x80 && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff {
			return i
		}
		i += size
	}
	return -1
}

func describeByte(b byte) string {
	if b < utf8.RuneSelf {
		return fmt.Sprintf("control character 0x%02x, which YAML does not allow", b)
	}
	return fmt.Sprintf("byte 0x%02x is not UTF-8 text that YAML allows", b)
}

func countNodes(n *yaml.Node, limit int) int {
	if n.Kind == yaml.AliasNode {
		if limit <= 1 || n.Alias == nil {
			return 1
		}
		return 1 + countNodes(n.Alias, limit-1)
	}
	count := 1
	for _, child := range n.Content {
		if count >= limit {
			return count
		}
		count += countNodes(child, limit-count)
	}
	return count
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	case yaml.ScalarNode:
		return "single value"
	}
	return "value of no known kind"
}
