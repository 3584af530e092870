package lint

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// RuleSet names a set of rules: the same for the same IDs and severities,
// whatever their order. A verdict belongs to the set that gave it. The number
// after the v changes when what the name is made from does.
func RuleSet(rules []Rule) string {
	lines := make([]string, len(rules))
	for i, r := range rules {
		lines[i] = r.ID + " " + r.Severity.String() + "\n"
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return fmt.Sprintf("rules-v1-%x", sum[:4])
}

// setting is what a configuration makes of the rules that a name means.
type setting struct {
	name     string
	off      bool
	severity Severity
}

// settings are looked through for the closest one.
type settings []setting

// of is the setting that means r most closely, nil for none. Of two as close the
// later one counts.
func (s settings) of(r *Rule) (found *setting, near int) {
	for i := range s {
		if c := closeness(r, s[i].name); c > 0 && c >= near {
			found, near = &s[i], c
		}
	}
	return found, near
}

// chooser decides which rules run, and how bad their findings are.
type chooser struct {
	rules                []Rule
	only, except, enable picked
	levels               settings // of opts: they win over every configuration
}

func newChooser(rules []Rule, opts Options) (*chooser, error) {
	c := &chooser{rules: rules}
	for _, name := range slices.Sorted(maps.Keys(opts.Levels)) {
		c.levels = append(c.levels, setting{name: name, severity: opts.Levels[name]})
	}
	var err error
	if c.only, err = pick(rules, opts.Only); err != nil {
		return nil, err
	}
	if c.except, err = pick(rules, opts.Except); err != nil {
		return nil, err
	}
	if c.enable, err = pick(rules, opts.Enable); err != nil {
		return nil, err
	}
	_, err = pick(rules, slices.Sorted(maps.Keys(opts.Levels)))
	return c, err
}

// plan is what runs over the targets of one configuration.
type plan struct {
	*chooser
	config *Config // nil for none
	rules  []Rule  // with the severities that findings have unless a path changes them
	off    map[string]bool
	index  map[string]int // place in rules, by ID
}

// plan makes a configuration's plan. A rule that is off but for some paths runs,
// and is in off.
func (c *chooser) plan(config *Config) *plan {
	p := &plan{chooser: c, config: config, off: map[string]bool{}, index: map[string]int{}}
	for _, r := range c.rules {
		severity, on := c.level(config, &r)
		if !on && !c.onSomewhere(config, &r) {
			continue
		}
		r.Severity = severity
		p.off[r.ID] = !on
		p.index[r.ID] = len(p.rules)
		p.rules = append(p.rules, r)
	}
	return p
}

// level is a rule's severity and whether it runs, paths apart. Flags win over
// the configuration, which wins over the rule's own.
func (c *chooser) level(config *Config, r *Rule) (severity Severity, on bool) {
	severity, on = r.Severity, !r.Off
	if config != nil {
		set, near := config.rules.of(r)
		switch {
		case set != nil && set.off:
			on = false
		case set != nil:
			severity = set.severity
			on = on || near == exactly // a family's severity wakes no rule that is off
		}
		if woken := config.enable(r); woken > 0 && (set == nil || !set.off || woken > near) {
			on = true
		}
	}
	if c.enable[r.ID] > 0 {
		on = true
	}
	if len(c.only) > 0 {
		on = c.only[r.ID] > 0
	}
	if set, _ := c.levels.of(r); set != nil {
		severity = set.severity
	}
	return severity, on && c.except[r.ID] == 0
}

// onSomewhere tells whether a configuration wakes a rule for some paths.
func (c *chooser) onSomewhere(config *Config, r *Rule) bool {
	if config == nil || c.except[r.ID] > 0 || len(c.only) > 0 {
		return false
	}
	return slices.ContainsFunc(config.paths, func(p pathSettings) bool {
		set, near := p.rules.of(r)
		return set != nil && !set.off && near == exactly
	})
}

// apply gives a finding in the file at rel, relative to the configuration, the
// severity of its path. It is false when the rule is off there: a path may turn
// off what flags ask for, because flags name rules and not places.
func (p *plan) apply(f *Finding, rel string) bool {
	i, ok := p.index[f.Rule]
	if !ok {
		return true
	}
	on := !p.off[f.Rule]
	if p.config == nil || len(p.config.paths) == 0 {
		return on
	}
	set, near := p.config.at(rel, &p.rules[i])
	switch {
	case set == nil:
		return on
	case set.off:
		return false
	case !on && near != exactly:
		return false
	}
	if flag, _ := p.levels.of(&p.rules[i]); flag == nil {
		f.Severity = set.severity
	}
	return true
}

// choose picks the rules that run without a configuration, in the order they
// are given.
func choose(rules []Rule, opts Options) ([]Rule, error) {
	c, err := newChooser(rules, opts)
	if err != nil {
		return nil, err
	}
	chosen := c.plan(nil).rules
	if len(chosen) == 0 {
		return nil, nothingLeft()
	}
	return chosen, nil
}

func nothingLeft() error { return fault.New(fault.Usage, "no rule is left to run") }
