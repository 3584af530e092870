package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

var update = flag.Bool("update", false, "write the golden files anew")

func pos(line, column int) recipe.Position { return recipe.Position{Line: line, Column: column} }

// full is a result with everything a report can hold.
func full() *lint.Result {
	return &lint.Result{
		Findings: []lint.Finding{
			{
				Rule: "R004", Name: "unstable-tag", Severity: lint.Warning, Message: `"latest" is an unstable tag; expected a version`,
				File: "traefik/compose.yml", Start: pos(12, 18), End: pos(12, 24), Fingerprint: "0123456789abcdef",
				Source: "    image: nginx:latest # the web server",
				Related: []lint.Related{
					{File: "traefik/compose.smtp.yml", Start: pos(3, 5), End: pos(3, 8), Message: "the overlay keeps it"},
				},
				Fix: &lint.Fix{Message: "pin it to 1.27", Safe: false, Edits: []lint.Edit{
					{File: "traefik/compose.yml", Start: pos(12, 18), End: pos(12, 24), Text: "1.27"},
				}},
			},
			{
				Rule: "R008", Name: "env-sample", Severity: lint.Error, Message: "there is no .env.sample",
				File: "traefik/.env.sample", Start: pos(1, 1), End: pos(1, 1), Fingerprint: "0123456789abcde0",
			},
			{
				Rule: "C301", Name: "plain-secret", Severity: lint.Info, Message: "a \x1b[31mred\x1b[0m <value> & a turn \u202e of direction\nand a line",
				File: "wiki/compose.yml", Start: pos(7, 6), End: pos(8, 4), Fingerprint: "0123456789abcde1",
				Source: "\tüser:\t\"\x1b]0;owned\a 🐳\u009b2J\"",
			},
		},
		Skipped: []lint.Skip{
			{Rule: "R006", Name: "published", Target: "traefik", Reason: "no catalogue was given"},
			{Rule: "R006", Name: "published", Target: "wiki", Reason: "no catalogue was given"},
			{Rule: "R014", Name: "annotated-tags", Target: "wiki", Reason: "no git repository"},
		},
		Summary: lint.Summary{Targets: 2, Files: 5, Errors: 1, Warnings: 1, Infos: 1},
		RuleSet: "rules-v1-01234567",
	}
}

// oddFile is a name that every format has to write with care.
const oddFile = `my apps/ü, 100%: <"50">&'x'/compose.yml`

// odd is a result with names and texts that formats have signs for, of a file with
// CRLF line ends, and with suppressed and baselined findings.
func odd() *lint.Result {
	r := &lint.Result{
		Findings: []lint.Finding{
			{
				Rule: "S245", Name: "sexagesimal-number", Severity: lint.Error, Fails: true,
				Message: "\"22:22\" is read as ${X:-1342} | {0} [a](b) *c* _d_ @e 100%, <b>&amp;</b> ]]> ::error::",
				File:    oddFile, Start: pos(2, 15), End: pos(2, 20), Fingerprint: "00000000000000aa",
				Source: "  ü🐳: [80:80, 22:22]",
				Fix: &lint.Fix{Message: "put both in quotes, \"a,b\"", Safe: true, Edits: []lint.Edit{
					{File: oddFile, Start: pos(2, 15), End: pos(2, 15), Text: "\""},
					{File: oddFile, Start: pos(2, 20), End: pos(2, 20), Text: "\""},
				}},
			},
			{
				Rule: "S203", Name: "stack-schema", Severity: lint.Warning, Fails: true, Message: "two lines of \"é\"",
				File: oddFile, Start: pos(3, 4), End: pos(4, 3), Fingerprint: "00000000000000ab",
				Source:  "  é: |",
				Related: []lint.Related{{File: oddFile, Start: pos(2, 3), End: pos(2, 5), Message: "see [there](1)"}},
				Fix: &lint.Fix{Message: "join them", Edits: []lint.Edit{
					{File: oddFile, Start: pos(4, 1), End: pos(4, 3), Text: "é"},
					{File: oddFile, Start: pos(3, 4), End: pos(3, 7), Text: ""},
				}},
			},
			{
				Rule: "S203", Name: "stack-schema", Severity: lint.Info, Message: "the same again",
				File: "z.yml", Start: pos(1, 1), End: pos(9, 9), Fingerprint: "00000000000000ab", Source: "z: 1",
				Fix: &lint.Fix{Message: "in two files", Edits: []lint.Edit{
					{File: "z.yml", Start: pos(1, 1), End: pos(1, 2), Text: "y"}, {File: "y.yml", Start: pos(1, 1), End: pos(1, 2), Text: "z"},
				}},
			},
		},
		Suppressed: []lint.Suppressed{
			{Finding: lint.Finding{Rule: "R004", Name: "unstable-tag", Severity: lint.Warning, Message: `"latest" is an unstable tag`,
				File: "z.yml", Start: pos(2, 1), End: pos(2, 2), Fingerprint: "00000000000000ac"}, Reason: "built | here"},
			{Finding: lint.Finding{Rule: "R004", Name: "unstable-tag", Severity: lint.Warning, Message: "without a reason",
				File: "z.yml", Start: pos(3, 1), End: pos(3, 2), Fingerprint: "00000000000000ad"}},
		},
		ListSuppressed: true,
		Summary:        lint.Summary{Targets: 1, Files: 2, Errors: 1, Warnings: 1, Infos: 1, Suppressed: 2, Baselined: 4},
		RuleSet:        "rules-v1-01234567",
	}
	return r
}

// oddLine is what stands in oddFile.
func oddLine(file string, n int) (string, bool) {
	lines := []string{"x:", "  ü🐳: [80:80, 22:22]", "  é: |", "  éa"}
	if file != oddFile || n < 1 || n > len(lines) {
		return "", false
	}
	return lines[n-1], true
}

func someRules() []lint.Rule {
	return []lint.Rule{
		{ID: "A000", Name: "not-found", Summary: "finds nothing"},
		{ID: "R004", Name: "unstable-tag", Summary: "no image uses a tag that moves", Severity: lint.Warning},
		{ID: "S245", Name: "sexagesimal-number", Summary: "ports are in quotes", Severity: lint.Warning, Off: true},
	}
}

func somePage(id string) (string, bool) { return "# " + id + "\n\nA page with {0}.\n", id == "R004" }

func clean() *lint.Result {
	return &lint.Result{Summary: lint.Summary{Targets: 1, Files: 1}, RuleSet: "rules-v1-01234567"}
}

func write(t *testing.T, r *lint.Result, opts Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, r, opts); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	tests := []struct {
		file   string
		result *lint.Result
		opts   Options
	}{
		{"full.txt", full(), Options{}},
		{"full.color.txt", full(), Options{Color: true}},
		{"full.json", full(), Options{Format: JSON}},
		{"clean.txt", clean(), Options{Format: Text}},
		{"clean.json", clean(), Options{Format: JSON}},
		{"odd.txt", odd(), Options{}},
		{"odd.links.txt", odd(), Options{Links: true, Root: "file://cook/srv/a b"}},
		{"odd.json", odd(), Options{Format: JSON}},
	}
	for _, format := range []Format{JSONLines, SARIF, GitHub, GitLab, JUnit, Checkstyle, RDJSON, Markdown} {
		for name, r := range map[string]*lint.Result{"full": full(), "odd": odd(), "clean": clean()} {
			opts := Options{Format: format, Version: "1.2.3", Rules: someRules(), Page: somePage, Line: oddLine}
			tests = append(tests, struct {
				file   string
				result *lint.Result
				opts   Options
			}{name + "." + string(format), r, opts})
		}
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			got := write(t, test.result, test.opts)
			name := filepath.Join("testdata", test.file)
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (-update writes it anew):\n%s\nwant:\n%s", name, got, want)
			}
		})
	}
}

func TestJSONIsWhatItsSchemaSays(t *testing.T) {
	for name, r := range map[string]*lint.Result{"full": full(), "odd": odd(), "clean": clean()} {
		violations, err := schemas.Validate("lint-report", []byte(write(t, r, Options{Format: JSON})))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			t.Errorf("%s: %s: %s", name, v.Pointer, v.Message)
		}
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	report := write(t, full(), Options{Format: JSON})
	changes := map[string][2]string{
		"a key it does not know": {`"rule": "R004",`, `"rule": "R004", "extra": 1,`},
		"a severity":             {`"severity": "info"`, `"severity": "note"`},
		"line 0":                 {`"line": 12`, `"line": 0`},
		"a short fingerprint":    {"0123456789abcdef", "0123"},
		"related that is null":   {`"related": []`, `"related": null`},
		"no rule set":            {"rules-v1-01234567", ""},
	}
	for name, change := range changes {
		changed := strings.Replace(report, change[0], change[1], 1)
		if changed == report {
			t.Fatalf("%s: %q is not in the report", name, change[0])
		}
		violations, err := schemas.Validate("lint-report", []byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if len(violations) == 0 {
			t.Errorf("%s passed the schema", name)
		}
	}
}

func TestNothingATerminalObeysIsWritten(t *testing.T) {
	r := full()
	for i := range r.Findings {
		f := &r.Findings[i]
		hostile := "a\x00\x07\x1b[2J\x7f\u0085\u009b\u200f\u202e\u2066\u2028\ufeff\U000e0041\xff\r\nz"
		f.File, f.Message, f.Source = hostile, hostile, strings.ReplaceAll(hostile, "\n", "")
		for j := range f.Related {
			f.Related[j].File, f.Related[j].Message = hostile, hostile
		}
		if f.Fix != nil {
			f.Fix.Message = hostile
		}
	}
	for i := range r.Skipped {
		r.Skipped[i].Target, r.Skipped[i].Reason = r.Findings[0].Message, r.Findings[0].Message
	}
	r.Suppressed = []lint.Suppressed{{Finding: r.Findings[0], Reason: r.Findings[0].Message}}
	r.ListSuppressed = true
	for _, format := range Formats() {
		for _, c := range write(t, r, Options{Format: Format(format)}) {
			if c != '\n' && unsafeRune(c) {
				t.Errorf("%q wrote %U", format, c)
			}
		}
	}
}

func TestEscapedJSONMeansTheSame(t *testing.T) {
	const text = "C1 \u009b, direction \u202e, tag \U000e0041, emoji 🐳, joiner \u200d"
	r := clean()
	r.Findings = []lint.Finding{{Message: text}}
	var back lint.Result
	if err := back.UnmarshalJSON([]byte(write(t, r, Options{Format: JSON}))); err != nil {
		t.Fatal(err)
	}
	if got := back.Findings[0].Message; got != text {
		t.Errorf("message = %q, want %q", got, text)
	}
}

func TestParseFormat(t *testing.T) {
	for name, want := range map[string]Format{"": Text, "text": Text, "json": JSON, "rdjson": RDJSON} {
		if got, err := ParseFormat(name); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v", name, got, err)
		}
	}
	if n := len(Formats()); n != 10 {
		t.Errorf("%d formats are listed, want 10", n)
	}
	_, err := ParseFormat("yaml")
	if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "text, json, ") || !strings.Contains(err.Error(), " or markdown") {
		t.Errorf("error = %v, want a usage error that names the formats", err)
	}
	if err := Write(&bytes.Buffer{}, clean(), Options{Format: "yaml"}); err == nil {
		t.Error("an unknown format was written")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteErrorIsReturned(t *testing.T) {
	if err := Write(fullDisk{}, clean(), Options{}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error = %v, want the writer's", err)
	}
}
