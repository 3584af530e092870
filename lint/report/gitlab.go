package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// gitlabFinding is an entry of a GitLab Code Quality report, which is a part of
// Code Climate's: a list of these. Columns are code points.
type gitlabFinding struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path      string `json:"path"`
	Positions struct {
		Begin recipe.Position `json:"begin"`
		End   recipe.Position `json:"end"`
	} `json:"positions"`
}

func gitlabReport(r *lint.Result, _ Options) ([]byte, error) {
	list := []gitlabFinding{}
	seen := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		entry := gitlabFinding{
			Description: visible(f.Message), CheckName: f.Rule + " " + f.Name, Severity: gitlabSeverity(f.Severity),
		}
		entry.Location.Path = f.File
		entry.Location.Positions.Begin, entry.Location.Positions.End = f.Start, f.End
		identity := f.File + "\x00" + f.Rule + "\x00" + f.Fingerprint
		entry.Fingerprint = gitlabFingerprint(identity, seen[identity])
		seen[identity]++
		list = append(list, entry)
	}
	return indented(list)
}

// gitlabFingerprint is unique in the whole report: GitLab shows one finding of
// each. A finding's own fingerprint is so within its file.
func gitlabFingerprint(identity string, ordinal int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", identity, ordinal))
	return hex.EncodeToString(sum[:16])
}

func gitlabSeverity(s lint.Severity) string {
	switch s {
	case lint.Error:
		return "major"
	case lint.Warning:
		return "minor"
	}
	return "info"
}
