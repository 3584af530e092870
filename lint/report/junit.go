package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

// The elements of a JUnit report, as CI servers read it.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		junitCounts
		Suites []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitCounts
		Cases []junitCase `xml:"testcase"`
	}
	junitCounts struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitVerdict `xml:"failure"`
		Skipped *junitVerdict `xml:"skipped"`
	}
	junitVerdict struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// junitReport has a suite for each file with findings, and a test for each
// finding. What is below the failing level is a skipped test, so that the report
// fails when the run does; so is a rule that could not look. A run without
// findings is one test that passed: an empty report is an error to some servers.
func junitReport(r *lint.Result, _ Options) ([]byte, error) {
	report := junitSuites{Name: "galley lint"}
	if len(r.Findings) == 0 {
		report.add(junitSuite{Name: "galley lint", Cases: []junitCase{{Name: total(r), Class: "galley lint"}}})
	}
	for _, group := range byFile(r.Findings) {
		suite := junitSuite{Name: group[0].File}
		for i := range group {
			suite.Cases = append(suite.Cases, junitFinding(&group[i]))
		}
		report.add(suite)
	}
	skipped := junitSuite{Name: "rules that could not look"}
	for _, s := range r.Skipped {
		skipped.Cases = append(skipped.Cases, junitCase{
			Name: s.Rule + " " + s.Name, Class: s.Target, Skipped: &junitVerdict{Message: visible(s.Reason)},
		})
	}
	if len(skipped.Cases) > 0 {
		report.add(skipped)
	}
	return xmlDocument(report)
}

func junitFinding(f *lint.Finding) junitCase {
	verdict := &junitVerdict{
		Message: f.Severity.String() + ": " + visible(f.Message), Type: f.Severity.String(),
		Text: place(f.File, f.Start) + ": " + strings.Join(paragraphs(f), "\n"),
	}
	test := junitCase{
		Name: fmt.Sprintf("%s %s at %d:%d", f.Rule, f.Name, f.Start.Line, f.Start.Column), Class: f.File, File: f.File, Line: f.Start.Line,
	}
	if f.Fails {
		test.Failure = verdict
		return test
	}
	verdict.Type = ""
	test.Skipped = verdict
	return test
}

func (s *junitSuites) add(suite junitSuite) {
	for _, test := range suite.Cases {
		suite.Tests++
		switch {
		case test.Failure != nil:
			suite.Failures++
		case test.Skipped != nil:
			suite.Skipped++
		}
	}
	s.Tests += suite.Tests
	s.Failures += suite.Failures
	s.Skipped += suite.Skipped
	s.Suites = append(s.Suites, suite)
}
