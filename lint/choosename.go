package lint

import (
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// exactly is how close a rule's own ID or name is to it. A family is as close as
// the letters and digits it gives: 1 for "S", 3 for "S20".
const exactly = 4

// closeness tells how closely name means r: exactly, by a family of r's, or not
// at all (0). Case does not count.
func closeness(r *Rule, name string) int {
	switch {
	case strings.EqualFold(r.ID, name) || strings.EqualFold(r.Name, name):
		return exactly
	case isFamily(name) && len(name) <= len(r.ID) && strings.EqualFold(r.ID[:len(name)], name):
		return len(name)
	}
	return 0
}

// isFamily tells whether name is the beginning of IDs: a letter and up to two
// digits.
func isFamily(name string) bool {
	if name == "" || len(name) > 3 || !isLetter(name[0]) {
		return false
	}
	for i := 1; i < len(name); i++ {
		if name[i] < '0' || name[i] > '9' {
			return false
		}
	}
	return true
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// picked are rules that were named, by ID, and how closely.
type picked map[string]int

// pick finds the rules that names mean: IDs, rules' names and families.
func pick(rules []Rule, names []string) (picked, error) {
	ids := picked{}
	for _, name := range names {
		known := false
		for i := range rules {
			if near := closeness(&rules[i], name); near > 0 {
				known = true
				ids[rules[i].ID] = max(ids[rules[i].ID], near)
			}
		}
		if !known {
			return nil, unknownRule(rules, name)
		}
	}
	return ids, nil
}

func unknownRule(rules []Rule, name string) error {
	err := fault.New(fault.Usage, "no rule is called %q; expected an ID like R004 or a rule's name", name)
	if best := likeRule(rules, name); best != "" {
		return fault.Hint(err, "did you mean %s?", best)
	}
	return fault.Hint(err, "galley explain lists the rules")
}

// likeRule is the ID or name of a rule that name may be a slip for, "" for none.
func likeRule(rules []Rule, name string) string {
	known := make([]string, 0, 2*len(rules))
	for _, r := range rules {
		known = append(known, r.ID, r.Name)
	}
	return like(name, known)
}

// like is the first of the known names that name may be a slip for, "" for none.
func like(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := fault.Distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}
