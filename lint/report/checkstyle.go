package report

import (
	"encoding/xml"
	"strings"

	"github.com/galley-coop/galley/lint"
)

// checkstyleFiles is the root of a Checkstyle report. Columns are code points;
// the format has no end of a range.
type checkstyleFiles struct {
	XMLName xml.Name         `xml:"checkstyle"`
	Version string           `xml:"version,attr"` // of the format
	Files   []checkstyleFile `xml:"file"`
}

type checkstyleFile struct {
	Name   string            `xml:"name,attr"`
	Errors []checkstyleError `xml:"error"`
}

type checkstyleError struct {
	Line     int    `xml:"line,attr"`
	Column   int    `xml:"column,attr"`
	Severity string `xml:"severity,attr"`
	Message  string `xml:"message,attr"`
	Source   string `xml:"source,attr"`
}

func checkstyleReport(r *lint.Result, _ Options) ([]byte, error) {
	report := checkstyleFiles{Version: "4.3"}
	for _, group := range byFile(r.Findings) {
		file := checkstyleFile{Name: group[0].File}
		for i := range group {
			f := &group[i]
			file.Errors = append(file.Errors, checkstyleError{
				Line: f.Start.Line, Column: f.Start.Column, Severity: f.Severity.String(),
				Message: strings.Join(paragraphs(f), "; "), Source: "galley." + f.Rule,
			})
		}
		report.Files = append(report.Files, file)
	}
	return xmlDocument(report)
}

// byFile splits findings, which are in the order of their files.
func byFile(findings []lint.Finding) [][]lint.Finding {
	var groups [][]lint.Finding
	from := 0
	for i := range findings {
		if i+1 == len(findings) || findings[i+1].File != findings[i].File {
			groups = append(groups, findings[from:i+1])
			from = i + 1
		}
	}
	return groups
}
