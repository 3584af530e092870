// Command lintdraw draws findings to be judged by hand: it lints a folder with
// every rule, those that are off by default too, and prints a sample in which
// every rule that fires has its part. The same folder, rules and seed give the
// same sample.
//
// It judges nothing and writes nothing but the sample.
package main

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/rules"
)

func main() {
	seed := flag.Uint64("seed", 1, "another seed draws another sample")
	n := flag.Int("n", 200, "how many findings to draw; more when -each asks for more")
	each := flag.Int("each", 3, "how many at least of every rule that fires, or all it has")
	list := flag.Bool("count", false, "print how many findings each rule has, and draw none")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: lintdraw [-seed N] [-n N] [-each N] [-count] FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	strata, err := findings(context.Background(), flag.Arg(0))
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "lintdraw:", err)
		os.Exit(3)
	case *list:
		printCounts(os.Stdout, strata)
	default:
		printSample(os.Stdout, strata, shares(strata, *n, *each), *seed)
	}
}

// findings lints what is in a folder, and gives what was found by rule, in the
// order of the reports, files as seen from the folder.
func findings(ctx context.Context, dir string) (map[string][]lint.Finding, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	targets, _, err := lint.Load(ctx, []string{"."}, lint.LoadOptions{World: history})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, rule := range rules.All() {
		all = append(all, rule.ID)
	}
	result, err := lint.Run(ctx, targets, rules.All(), lint.Options{Enable: all, Ignores: true})
	if err != nil {
		return nil, err
	}
	strata := map[string][]lint.Finding{}
	seen := map[string]bool{}
	for _, f := range result.Findings {
		if key := sameInEveryVersion(f); !seen[key] {
			seen[key] = true
			strata[f.Rule] = append(strata[f.Rule], f)
		}
	}
	return strata, nil
}

// history gives a recipe the repository that its folder is.
func history(ctx context.Context, dir string, r *recipe.Recipe) lint.World {
	absolute, err := filepath.Abs(dir)
	if err != nil || !r.IsRecipe() {
		return lint.World{}
	}
	repository, err := source.Open(ctx, absolute, source.Options{})
	if err != nil {
		return lint.World{}
	}
	return lint.World{History: lint.Remember(repository)}
}

// sameInEveryVersion is equal for findings that say the same of the same line in
// several versions of one recipe, kept side by side in folders of the form
// "1.0.0+2.4.8": they count once, or they would crowd out the others.
func sameInEveryVersion(f lint.Finding) string {
	parts := strings.Split(path.Dir(f.File), "/")
	for i, part := range parts {
		if strings.Contains(part, "+") {
			parts[i] = "+"
		}
	}
	return strings.Join([]string{f.Rule, path.Join(parts...), path.Base(f.File), f.Message, f.Source}, "\x00")
}

// shares says how many findings of each rule are drawn: at least each of them,
// and what is left of n in proportion to what is left of the rules, largest
// remainders first.
func shares(strata map[string][]lint.Finding, n, each int) map[string]int {
	share := map[string]int{}
	rest, left := n, 0
	for rule, found := range strata {
		share[rule] = min(each, len(found))
		rest -= share[rule]
		left += len(found) - share[rule]
	}
	rest = min(rest, left)
	if rest <= 0 {
		return share
	}
	remainder := map[string]int{}
	given := 0
	for rule, found := range strata {
		part := (len(found) - share[rule]) * rest
		share[rule] += part / left
		given += part / left
		remainder[rule] = part % left
	}
	byRemainder := slices.SortedFunc(maps.Keys(remainder), func(a, b string) int {
		if remainder[a] != remainder[b] {
			return remainder[b] - remainder[a]
		}
		return strings.Compare(a, b)
	})
	for _, rule := range byRemainder[:rest-given] {
		share[rule]++
	}
	return share
}

// draw takes some findings of one rule. It depends on the seed, the rule and the
// rule's findings, so that a change of one rule leaves the others' draws alone.
func draw(found []lint.Finding, rule string, share int, seed uint64) []lint.Finding {
	name := fnv.New64a()
	_, _ = io.WriteString(name, rule) // a hash takes everything
	random := rand.New(rand.NewPCG(seed, name.Sum64()))
	places := random.Perm(len(found))[:share]
	slices.Sort(places)
	var drawn []lint.Finding
	for _, i := range places {
		drawn = append(drawn, found[i])
	}
	return drawn
}

func printSample(out io.Writer, strata map[string][]lint.Finding, share map[string]int, seed uint64) {
	for _, rule := range slices.Sorted(maps.Keys(strata)) {
		for _, f := range draw(strata[rule], rule, share[rule], seed) {
			fmt.Fprintf(out, "%s\t%s:%d:%d\t%s\n", f.Rule, f.File, f.Start.Line, f.Start.Column, f.Message)
		}
	}
}

func printCounts(out io.Writer, strata map[string][]lint.Finding) {
	for _, rule := range slices.Sorted(maps.Keys(strata)) {
		fmt.Fprintf(out, "%s\t%d\n", rule, len(strata[rule]))
	}
}
