package lint

import "github.com/galley-coop/galley/internal/fault"

// plansFor makes a plan for each configuration of the targets', and checks that
// configurations and options name rules and levels that there are.
func plansFor(targets []Target, rules []Rule, opts Options) (map[*Config]*plan, error) {
	chooser, err := newChooser(rules, opts)
	if err != nil {
		return nil, err
	}
	if _, _, err := failing(opts.FailOn); err != nil {
		return nil, fault.Wrap(fault.Usage, err)
	}
	plans := map[*Config]*plan{}
	left := false
	add := func(c *Config) error {
		if plans[c] != nil {
			return nil
		}
		if c != nil {
			if err := c.check(rules); err != nil {
				return err
			}
		}
		plans[c] = chooser.plan(c)
		left = left || len(plans[c].rules) > 0
		return nil
	}
	if len(targets) == 0 {
		targets = []Target{{}}
	}
	for i := range targets {
		if err := add(targets[i].Config); err != nil {
			return nil, err
		}
	}
	if !left {
		return nil, nothingLeft()
	}
	return plans, nil
}

// failing reads a failing level; "" is error, and never is false.
func failing(name string) (Severity, bool, error) {
	switch name {
	case "":
		return Error, true, nil
	case FailNever:
		return 0, false, nil
	}
	level, err := ParseSeverity(name)
	return level, err == nil, err
}
