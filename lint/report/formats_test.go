package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

func TestSARIFIsWhatItsSchemaSays(t *testing.T) {
	for name, r := range map[string]*lint.Result{"full": full(), "odd": odd(), "clean": clean()} {
		report, err := sarif.FromString(write(t, r, Options{Format: SARIF, Rules: someRules(), Page: somePage}), sarif.WithStrictValidation())
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSARIFSchemaRefuses(t *testing.T) {
	out := write(t, full(), Options{Format: SARIF})
	changed := strings.Replace(out, `"level": "note"`, `"level": "info"`, 1)
	if changed == out {
		t.Fatal("the report has no level note")
	}
	report, err := sarif.FromString(changed)
	if err != nil {
		t.Fatal(err)
	}
	if report.Validate() == nil {
		t.Error("a level that SARIF does not have passed the schema")
	}
}

func TestXMLReportsCanBeReadBack(t *testing.T) {
	for _, format := range []Format{JUnit, Checkstyle} {
		for name, r := range map[string]*lint.Result{"full": full(), "odd": odd(), "clean": clean()} {
			decoder := xml.NewDecoder(strings.NewReader(write(t, r, Options{Format: format})))
			files := map[string]bool{}
			for {
				token, err := decoder.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s %s: %v", name, format, err)
				}
				if e, ok := token.(xml.StartElement); ok {
					for _, a := range e.Attr {
						files[a.Value] = true
					}
				}
			}
			for _, f := range r.Findings {
				if !files[f.File] {
					t.Errorf("%s %s does not name %q", name, format, f.File)
				}
			}
		}
	}
}

func TestJUnitFailsWhenTheRunDoes(t *testing.T) {
	r := full()
	for i, want := range []string{`failures="0"`, `failures="1"`} {
		r.Findings[1].Fails = i == 1
		if out := write(t, r, Options{Format: JUnit}); !strings.Contains(out, want) {
			t.Errorf("the report does not say %s:\n%s", want, out)
		}
	}
}

func TestEveryJSONLineIsAnObject(t *testing.T) {
	var kinds []string
	for line := range strings.Lines(write(t, odd(), Options{Format: JSONLines})) {
		var object struct{ Type string }
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, object.Type)
	}
	want := []string{"finding", "finding", "finding", "suppressed", "suppressed", "summary"}
	if !slices.Equal(kinds, want) {
		t.Errorf("lines = %v, want %v", kinds, want)
	}
}

func TestGitLabFingerprintsAreUnique(t *testing.T) {
	r := odd()
	r.Findings = append(r.Findings, r.Findings...)
	var list []gitlabFinding
	if err := json.Unmarshal([]byte(write(t, r, Options{Format: GitLab})), &list); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range list {
		if seen[f.Fingerprint] {
			t.Errorf("fingerprint %s is there twice", f.Fingerprint)
		}
		seen[f.Fingerprint] = true
	}
}

func TestWorkflowCommandsAreOneLineEach(t *testing.T) {
	r := odd()
	for i := range r.Findings {
		r.Findings[i].Message += "\r\n::error::forged"
	}
	lines := strings.Split(strings.TrimSpace(write(t, r, Options{Format: GitHub})), "\n")
	if len(lines) != len(r.Findings)+1 {
		t.Fatalf("%d lines for %d findings:\n%s", len(lines), len(r.Findings), strings.Join(lines, "\n"))
	}
	for _, line := range lines[:len(r.Findings)] {
		head, _, _ := strings.Cut(strings.TrimPrefix(line, "::"), "::")
		for _, property := range strings.Split(head, ",") {
			if strings.Count(property, "=") != 1 || strings.Contains(property, ":") {
				t.Errorf("%q is no property", property)
			}
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	got := escapeMarkdown(`a|b *c* _d_ [e](f) <g> &h @i ` + "`j`" + ` $k$`)
	want := `a\|b \*c\* \_d\_ \[e\](f) &#60;g&#62; &#38;h &#64;i ` + "\\`j\\`" + ` \$k\$`
	if got != want {
		t.Errorf("escaped = %s, want %s", got, want)
	}
}

func TestLinksAreLeftOutUnlessAllowed(t *testing.T) {
	if out := write(t, odd(), Options{Root: "file:///srv"}); strings.Contains(out, "\x1b") {
		t.Error("links were written without being asked for")
	}
	out := write(t, odd(), Options{Links: true, Docs: "https://docs.example/rules/"})
	if !strings.Contains(out, "\x1b]8;;https://docs.example/rules/S245.md\x1b\\S245 sexagesimal-number\x1b]8;;\x1b\\") {
		t.Errorf("the rule is not linked to its page:\n%q", out)
	}
	if strings.Contains(out, "file:") {
		t.Error("files were linked without a root")
	}
}

func TestRootHereIsTheWorkingFolder(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(RootHere())
	if err != nil || root.Scheme != "file" || root.Path != filepath.ToSlash(dir) {
		t.Errorf("root = %v, %v, want a file URL of %q", root, err, dir)
	}
}

// token is what the rule of TestPlacesAreInEachFormatsUnit points at.
const token = "läteſt🐳"

const before = "services:\r\n  äpp🐳:\r\n    image: ñ:" + token + " # ü\r\n"

// run lints a compose file with a rule that finds the token, and one line below
// its start the fix's end.
func run(t *testing.T) (*lint.Result, []lint.Target) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("my äpp", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("my äpp/compose.yml", []byte(before+"    x-é: y\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	targets, _, err := lint.Load(t.Context(), []string{"my äpp"}, lint.LoadOptions{As: lint.AsCompose})
	if err != nil {
		t.Fatal(err)
	}
	rule := lint.Rule{ID: "X001", Name: "token", Summary: "a token", Check: func(p *lint.Pass) {
		text := p.Recipe.Base.Text
		at := bytes.Index(text.Bytes, []byte(token))
		place := text.Range(at, at+len(token))
		end := recipe.Position{Line: 4, Column: 8}
		p.Report(place, "there it is", lint.WithFix(lint.Fix{Message: "two edits", Edits: []lint.Edit{
			{File: place.File, Start: place.Start, End: place.End, Text: "1.0"},
			{File: place.File, Start: end, End: end, Text: "!"},
		}}))
	}}
	result, err := lint.Run(context.Background(), targets, []lint.Rule{rule}, lint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) != 1 {
		t.Fatalf("findings = %v, want one", result.Findings)
	}
	return result, targets
}

func TestSARIFCountsCodePoints(t *testing.T) {
	result, _ := run(t)
	report, err := sarif.FromString(write(t, result, Options{Format: SARIF}))
	if err != nil {
		t.Fatal(err)
	}
	place := report.Runs[0].Results[0].Locations[0].PhysicalLocation
	if kind := *report.Runs[0].ColumnKind; kind != "unicodeCodePoints" {
		t.Errorf("columnKind = %q", kind)
	}
	line := []rune(strings.Split(before, "\r\n")[*place.Region.StartLine-1])
	if got := string(line[*place.Region.StartColumn-1 : *place.Region.EndColumn-1]); got != token {
		t.Errorf("the region is %q, want %q", got, token)
	}
	if file, err := url.PathUnescape(*place.ArtifactLocation.URI); err != nil || file != "my äpp/compose.yml" {
		t.Errorf("uri = %q", *place.ArtifactLocation.URI)
	}
}

func TestRDJSONCountsBytes(t *testing.T) {
	result, targets := run(t)
	d := diagnostic(t, result, Options{Line: Lines(targets)})
	line := strings.Split(before, "\r\n")[d.Location.Range.Start.Line-1]
	if got := line[d.Location.Range.Start.Column-1 : d.Location.Range.End.Column-1]; got != token {
		t.Errorf("the range is %q, want %q", got, token)
	}
	if len(d.Suggestions) != 1 {
		t.Fatalf("suggestions = %v, want one for both edits", d.Suggestions)
	}
	s := d.Suggestions[0]
	if want := "1.0 # ü\n    x-é!"; s.Text != want {
		t.Errorf("text = %q, want %q", s.Text, want)
	}
	if want := (rdPosition{4, len("    x-é") + 1}); s.Range.End != want {
		t.Errorf("end = %v, want %v", s.Range.End, want)
	}
}

func TestRDJSONWithoutTextHasNoWrongColumns(t *testing.T) {
	result, _ := run(t)
	d := diagnostic(t, result, Options{})
	if len(d.Suggestions) > 0 {
		t.Errorf("suggestions = %v, want none: the second line is not known", d.Suggestions)
	}
	result.Findings[0].Source = ""
	if r := diagnostic(t, result, Options{}).Location.Range; r.Start != (rdPosition{Line: 3}) || r.End != (rdPosition{Line: 3}) {
		t.Errorf("range = %v, want line 3 without columns", r)
	}
}

func diagnostic(t *testing.T, r *lint.Result, opts Options) rdDiagnostic {
	t.Helper()
	opts.Format = RDJSON
	var report rdResult
	if err := json.Unmarshal([]byte(write(t, r, opts)), &report); err != nil {
		t.Fatal(err)
	}
	return report.Diagnostics[0]
}

func TestLinesOfFilesThatAreNotThere(t *testing.T) {
	_, targets := run(t)
	line := Lines(targets)
	for file, n := range map[string]int{"compose.yml": 1, "my äpp/none.yml": 1, "my äpp/../my äpp/compose.yml": 0, "my äpp/compose.yml": 99} {
		if text, ok := line(file, n); ok {
			t.Errorf("line %d of %q = %q, want none", n, file, text)
		}
	}
	if text, ok := line("my äpp/compose.yml", 1); !ok || text != "services:" {
		t.Errorf("line 1 = %q, %v", text, ok)
	}
}
