package lint

import (
	"crypto/sha256"
	"fmt"
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
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return fmt.Sprintf("rules-v1-%x", sum[:4])
}

// choose picks the rules that run, in the order they are given.
func choose(rules []Rule, opts Options) ([]Rule, error) {
	only, err := named(rules, opts.Only)
	if err != nil {
		return nil, err
	}
	except, err := named(rules, opts.Except)
	if err != nil {
		return nil, err
	}
	var chosen []Rule
	for _, r := range rules {
		asked := only[r.ID] || len(only) == 0 && !r.Off
		if asked && !except[r.ID] {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return nil, fault.New(fault.Usage, "no rule is left to run")
	}
	return chosen, nil
}

// named gives the IDs of the rules that go by names, in any case.
func named(rules []Rule, names []string) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, name := range names {
		i := slices.IndexFunc(rules, func(r Rule) bool {
			return strings.EqualFold(r.ID, name) || strings.EqualFold(r.Name, name)
		})
		if i < 0 {
			return nil, unknownRule(rules, name)
		}
		ids[rules[i].ID] = true
	}
	return ids, nil
}

func unknownRule(rules []Rule, name string) error {
	err := fault.New(fault.Usage, "no rule is called %q; expected an ID like R004 or a rule's name", name)
	best, least := "", len(name)/3+1
	for _, r := range rules {
		for _, known := range []string{r.ID, r.Name} {
			if d := distance(strings.ToLower(name), strings.ToLower(known)); d < least {
				best, least = known, d
			}
		}
	}
	if best == "" {
		return fault.Hint(err, "galley explain lists the rules")
	}
	return fault.Hint(err, "did you mean %s?", best)
}

// distance is the number of letters to change, add or remove between a and b
// (Levenshtein). It does not go over names longer than any rule's.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
