package report

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/galley-coop/galley/lint"
)

// sarifReport is the result as SARIF 2.1.0: one run, with the rules that its
// results and notifications name. Columns are code points, as the run says.
// Files are relative to %SRCROOT%, which whoever reads the report knows.
func sarifReport(r *lint.Result, opts Options) ([]byte, error) {
	s := sarifRun{opts: opts, index: map[string]int{}}
	s.describe(r)
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(s.driver())
	run.ColumnKind = pointer("unicodeCodePoints")
	for i := range r.Findings {
		run.Results = append(run.Results, s.result(&r.Findings[i]))
	}
	if r.ListSuppressed {
		for i := range r.Suppressed {
			run.Results = append(run.Results, s.suppressed(&r.Suppressed[i]))
		}
	}
	run.Invocations = []*sarif.Invocation{s.invocation(r)}
	report := sarif.NewReport()
	report.AddRun(run)
	var out bytes.Buffer
	if err := report.PrettyWrite(&out); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return escapeJSON(out.Bytes()), nil
}

// sarifRun holds the rules that the run names.
type sarifRun struct {
	opts  Options
	rules []lint.Rule // sorted by ID
	index map[string]int
}

// describe collects the rules. One that the options do not know is known by what
// its findings say.
func (s *sarifRun) describe(r *lint.Result) {
	named := map[string]lint.Rule{}
	add := func(id, name string, severity lint.Severity) {
		if _, known := named[id]; !known {
			named[id] = lint.Rule{ID: id, Name: name, Severity: severity}
		}
	}
	for _, f := range r.Findings {
		add(f.Rule, f.Name, f.Severity)
	}
	for _, f := range r.Suppressed {
		add(f.Rule, f.Name, f.Severity)
	}
	for _, skip := range r.Skipped {
		add(skip.Rule, skip.Name, lint.Info)
	}
	for _, rule := range s.opts.Rules {
		if _, used := named[rule.ID]; used {
			named[rule.ID] = rule
		}
	}
	s.rules = slices.SortedFunc(maps.Values(named), func(a, b lint.Rule) int { return cmp.Compare(a.ID, b.ID) })
	for i, rule := range s.rules {
		s.index[rule.ID] = i
	}
}

func (s *sarifRun) driver() *sarif.ToolComponent {
	driver := sarif.NewToolComponent()
	driver.Name = pointer("galley")
	driver.InformationURI = pointer(home)
	if s.opts.Version != "" {
		driver.Version = pointer(s.opts.Version)
	}
	for i := range s.rules {
		driver.Rules = append(driver.Rules, s.rule(&s.rules[i]))
	}
	return driver
}

func (s *sarifRun) rule(rule *lint.Rule) *sarif.ReportingDescriptor {
	d := sarif.NewReportingDescriptor()
	d.ID, d.Name, d.HelpURI = &rule.ID, &rule.Name, pointer(s.opts.page(rule.ID))
	summary := cmp.Or(rule.Summary, rule.Name)
	d.ShortDescription = &sarif.MultiformatMessageString{Text: pointer(plainText(summary))}
	d.FullDescription = d.ShortDescription
	d.Help = &sarif.MultiformatMessageString{Text: pointer("galley explain " + rule.ID)}
	if s.opts.Page != nil {
		if page, ok := s.opts.Page(rule.ID); ok {
			d.Help.Markdown = &page
		}
	}
	d.DefaultConfiguration = sarif.NewReportingConfiguration()
	d.DefaultConfiguration.Level = sarifLevel(rule.Severity)
	d.DefaultConfiguration.Enabled = !rule.Off
	if tag := familyTag(rule.ID); tag != "" {
		d.Properties = sarif.NewPropertyBag().AddTag(tag)
	}
	return d
}

// familyTag is what a rule is about, by the first letter of its ID.
func familyTag(id string) string {
	if id == "" {
		return ""
	}
	return map[byte]string{
		'R': "conventions", 'S': "swarm", 'C': "security", 'I': "images", 'D': "style", 'L': "ignores",
	}[id[0]]
}

func sarifLevel(s lint.Severity) string {
	switch s {
	case lint.Error:
		return sarif.LevelError
	case lint.Warning:
		return sarif.LevelWarning
	}
	return sarif.LevelNote
}

func (s *sarifRun) result(f *lint.Finding) *sarif.Result {
	result := sarif.NewResult()
	result.RuleID, result.RuleIndex = &f.Rule, s.index[f.Rule]
	result.Level = sarifLevel(f.Severity)
	result.Message = sarifMessage(f.Message)
	result.Locations = []*sarif.Location{sarifLocation(f.File, f.Start, f.End)}
	result.PartialFingerprints = map[string]string{"galley/v1": f.Fingerprint}
	for i, related := range f.Related {
		place := sarifLocation(related.File, related.Start, related.End)
		place.ID = i + 1
		place.Message = sarifMessage(related.Message)
		result.RelatedLocations = append(result.RelatedLocations, place)
	}
	if f.Fix != nil && len(f.Fix.Edits) > 0 {
		result.Fixes = []*sarif.Fix{sarifFix(f.Fix)}
	}
	return result
}

func (s *sarifRun) suppressed(f *lint.Suppressed) *sarif.Result {
	result := s.result(&f.Finding)
	hidden := sarif.NewSuppression()
	hidden.Kind = pointer("inSource")
	if f.Reason != "" {
		hidden.Justification = pointer(visible(f.Reason))
	}
	result.Suppressions = []*sarif.Suppression{hidden}
	return result
}

// invocation says that galley ran, and which rules could not look.
func (s *sarifRun) invocation(r *lint.Result) *sarif.Invocation {
	ran := sarif.NewInvocation()
	ran.ExecutionSuccessful = pointer(true)
	ran.Properties = sarif.NewPropertyBag().Add("ruleset", r.RuleSet)
	for _, skip := range r.Skipped {
		n := sarif.NewNotification()
		n.Level = sarif.LevelNote
		n.Message = sarifMessage("skipped on " + skip.Target + ": " + skip.Reason)
		n.AssociatedRule = sarif.NewReportingDescriptorReference()
		n.AssociatedRule.ID, n.AssociatedRule.Index = pointer(skip.Rule), s.index[skip.Rule]
		ran.ToolExecutionNotifications = append(ran.ToolExecutionNotifications, n)
	}
	return ran
}

func pointer[T any](v T) *T { return &v }
