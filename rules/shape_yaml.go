package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// textMaps are the keys of a service whose values docker hands on as text.
var textMaps = [][]string{
	{"environment"}, {"labels"}, {"deploy", "labels"}, {"sysctls"}, {"logging", "options"}, {"extra_hosts"},
}

// eachText calls visit, once, with every plain scalar where text is wanted: the
// values of the above, and the items of their list form.
func eachText(p *lint.Pass, visit func(service string, n recipe.Node)) {
	seen := once{}
	for _, service := range p.Services() {
		for _, at := range textMaps {
			n := service.Node.Get(at...)
			if !n.IsMap() && !n.IsList() || !seen.first(n.Range()) {
				continue
			}
			for _, value := range n.Pairs() {
				if value.IsScalar() && !value.Quoted() {
					visit(service.Name, value)
				}
			}
			for _, item := range n.Items() {
				if item.IsScalar() && !item.Quoted() {
					visit(service.Name, item)
				}
			}
		}
	}
}

// sexagesimal tells whether a plain scalar is a number of base 60 to YAML 1.1
// (https://yaml.org/type/int.html): 22:22 is 1342.
func sexagesimal(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return false
	}
	parts := strings.Split(digits, ":")
	for i, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return false
		}
		if i > 0 && (len(part) > 2 || len(part) == 2 && part[0] > '5') {
			return false
		}
	}
	return len(parts) > 1
}

// base60 is the number that YAML 1.1 reads a sexagesimal as.
func base60(text string) int {
	n := 0
	for _, part := range strings.Split(strings.TrimLeft(text, "+-"), ":") {
		digits := 0
		for _, c := range part {
			digits = digits*10 + int(c-'0')
		}
		n = n*60 + digits
	}
	return n
}

// handedOn is what docker makes of a plain number or date where text is wanted.
func handedOn(n recipe.Node) string {
	switch value := n.Any().(type) {
	case string: // a timestamp
		if len(value) == len("2006-01-02") {
			return value + " 00:00:00 +0000 UTC"
		}
		return "a date in another form"
	default:
		return fmt.Sprint(value)
	}
}
