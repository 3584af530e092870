package rules

import (
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/recipe"
)

// deployText is a scalar's text with its defaults filled in, and whether it is
// known: a variable without a default is not.
func deployText(n recipe.Node) (string, bool) {
	if !n.IsScalar() || n.IsNull() {
		return "", false
	}
	if !strings.Contains(n.Text(), "$") {
		return n.Text(), true
	}
	x := values{}.expand(n.Text())
	return x.text, !x.guessed()
}

func deployNumber(n recipe.Node) (int, bool) {
	text, known := deployText(n)
	value, err := strconv.Atoi(strings.TrimSpace(text))
	return value, known && err == nil
}

func deployDuration(n recipe.Node) (time.Duration, bool) {
	text, known := deployText(n)
	value, err := time.ParseDuration(strings.TrimSpace(text))
	return value, known && err == nil
}

// deployPlace is where a scalar's value stands: the default inside of ${X:-…}.
func deployPlace(n recipe.Node) recipe.Range {
	if !variable(n) {
		return place(n)
	}
	x := values{}.expand(n.Text())
	from, to, ok := x.source(0, len(x.text))
	if !ok {
		return place(n)
	}
	return n.Sub(from, to)
}
