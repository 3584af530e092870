package recipe

import (
	"fmt"
	"testing"
)

const sampleReadme = `# The ` + "`blog`" + ` recipe

[![Build Status](https://ci.example.org/b.svg)](https://ci.example.org/b)

> A small [blog](https://blog.example.org) engine,
> with **comments** & ☕

<!-- metadata -->

* **Category**: Apps
* **Status**: 3, stable
* **Image**: [` + "`blog/blog`" + `](https://hub.docker.com/r/blog/blog), 4, upstream
* **Healthcheck**: Yes
* **Backups**: Yes
* **Email**: N/A
* **Tests**: 2
* **SSO**: ? (OIDC)

<!-- endmetadata -->

## Basic usage

* **Category**: none of this
`

func parseReadme(s string) *Readme { return ParseReadme(NewText("README.md", []byte(s))) }

func TestParseReadmeReadsAFile(t *testing.T) {
	r := parseReadme(sampleReadme)
	if r.Title != "The blog recipe" || r.Description != "A small blog engine, with comments & ☕" {
		t.Errorf("title %q, description %q", r.Title, r.Description)
	}
	m := r.Metadata
	wantProblems(t, m.Problems)
	status, ok := m.Status()
	got := fmt.Sprintf("%s|%d %v %s|%+v|%s|%s|%s|%s|%s", m.Category(), status, ok, m.StatusText(), m.Image(), m.Healthcheck(), m.Backups(), m.Email(), m.Tests(), m.SSO())
	want := "Apps|3 true stable|{Name:blog/blog URL:https://hub.docker.com/r/blog/blog Rating:4 Source:upstream}|Yes|Yes|N/A|2|? (OIDC)"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if a, b := m.Range.Start, m.Range.End; a != (Position{8, 1}) || b != (Position{19, 21}) {
		t.Errorf("the block is from %v to %v", a, b)
	}
	f, _ := m.Get("status")
	if r.Text.Slice(f.KeyRange) != "Status" || r.Text.Slice(f.ValueRange) != "3, stable" || r.Text.Slice(f.Range) != "* **Status**: 3, stable" {
		t.Errorf("ranges cover %q, %q, %q", r.Text.Slice(f.KeyRange), r.Text.Slice(f.ValueRange), r.Text.Slice(f.Range))
	}
}

func TestMetadataFields(t *testing.T) {
	for line, want := range map[string]string{
		"* **Status**: 3":                          "Status=3",
		"- **Status**: 3":                          "Status=3",
		"+ **Status**: 3":                          "Status=3",
		"  *   **Status** : 3":                     "Status=3",
		"* **Status:** 3":                          "Status=3",
		"* __Status__: 3":                          "Status=3",
		"**Status**: 3":                            "Status=3",
		"* Status: 3":                              "Status=3",
		"* **Status**:":                            "Status=",
		"* **Status**: ❶💚  ":                       "Status=❶💚",
		"* **Docs**: https://docs.example.org/a:b": "Docs=https://docs.example.org/a:b",
		"Status: 3":                                "",
		"see https://x.example":                    "",
		"* only a bullet":                          "",
		"* **Status**":                             "",
	} {
		m := parseReadme("# x\n<!-- metadata -->\n" + line + "\r\n<!-- endmetadata -->\n").Metadata
		got := ""
		for _, f := range m.Fields {
			got += f.Key + "=" + f.Value
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
		if want == "" {
			wantProblems(t, m.Problems, fmt.Sprintf(`README.md:3:1: %q is no metadata; expected "* **Key**: value"`, line))
		}
	}
}

func TestMetadataBlock(t *testing.T) {
	const unclosed = `README.md:1:1: the metadata block is not closed; expected "<!-- endmetadata -->"`
	for _, c := range []struct {
		name, text string
		fields     int // -1 for no block
		problems   []string
	}{
		{"none", "# x\n* **Status**: 3\n", -1, nil},
		{"empty", "<!-- metadata -->\n<!-- endmetadata -->", 0, nil},
		{"no blanks, capitals", "<!--Metadata-->\n* **A**: b\n<!--EndMetadata-->", 1, nil},
		{"at the start, with a mark", "\ufeff<!-- metadata -->\n* **A**: b\n<!-- endmetadata -->", 1, nil},
		{"not closed", "<!-- metadata -->\n* **A**: b\n", 1, []string{unclosed}},
		{"not closed before a heading", "<!-- metadata -->\n* **A**: b\n## Usage\n* **C**: d\n", 1, []string{unclosed}},
		{"nothing behind it", "<!-- metadata -->", 0, []string{unclosed}},
		{"only closed", "* **A**: b\n<!-- endmetadata -->\n", -1, nil},
		{"the first one counts", "<!-- metadata -->\n* **A**: b\n<!-- endmetadata -->\n<!-- metadata -->\n<!-- endmetadata -->\n", 1, nil},
		{"an example in a code block", "```\n<!-- metadata -->\n* **A**: b\n<!-- endmetadata -->\n```\n", -1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parseReadme(c.text).Metadata
			if (m == nil) != (c.fields < 0) {
				t.Fatalf("got %+v", m)
			}
			if m == nil {
				return
			}
			if len(m.Fields) != c.fields {
				t.Errorf("fields %+v, want %d", m.Fields, c.fields)
			}
			wantProblems(t, m.Problems, c.problems...)
		})
	}
}

func metadataOf(field, value string) *Metadata {
	return parseReadme("<!-- metadata -->\n* **" + field + "**: " + value + "\n<!-- endmetadata -->\n").Metadata
}

func TestMetadataStatus(t *testing.T) {
	for value, want := range map[string]string{
		"3, stable":            "3 true stable",
		"0":                    "0 true ",
		"5 , a, b":             "5 true a, b",
		"6":                    "0 false ",
		"-1":                   "0 false -1",
		"❶💚":                   "0 false ❶💚",
		"?":                    "0 false ?",
		"stable":               "0 false stable",
		"":                     "0 false ",
		"99999999999999999999": "0 false ",
	} {
		m := metadataOf("Status", value)
		status, ok := m.Status()
		if got := fmt.Sprintf("%d %v %s", status, ok, m.StatusText()); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestMetadataImage(t *testing.T) {
	for value, want := range map[string]ImageClaim{
		"[`a/b`](https://x.example/a), 4, upstream":             {"a/b", "https://x.example/a", "4", "upstream"},
		"[a](https://x.example/a \"title\"), 4, upstream":       {"a", "https://x.example/a", "4", "upstream"},
		"[`a`](https://x.example/a), ❶💚, upstream":              {"a", "https://x.example/a", "", "upstream"},
		"[`a`](https://x.example/a), upstream":                  {"a", "https://x.example/a", "", "upstream"},
		"[`a`](https://x.example/a), ❸🍎":                        {"a", "https://x.example/a", "", ""},
		"[`a`](https://x.example/a), 7":                         {"a", "https://x.example/a", "7", ""},
		"[`${REPO_NAME}`](https://x.example/r/${REPO_NAME}), 4": {"${REPO_NAME}", "https://x.example/r/${REPO_NAME}", "4", ""},
		"`a`, 4, upstream":                                      {"a", "", "4", "upstream"},
		"a":                                                     {"a", "", "", ""},
		"[a](, 4":                                               {"[a](", "", "4", ""},
		"[](), 4":                                               {"", "", "4", ""},
		"":                                                      {},
	} {
		if got := metadataOf("Image", value).Image(); got != want {
			t.Errorf("%q: got %+v, want %+v", value, got, want)
		}
	}
}

func TestMetadataThatIsMissingAnswers(t *testing.T) {
	var m *Metadata
	if _, ok := m.Status(); ok || m.Category() != "" || m.Image() != (ImageClaim{}) {
		t.Error("a README without the block claims something")
	}
}
