package fault

import (
	"slices"
	"strings"
)

// maxSuggested bounds the names of a "did you mean".
const maxSuggested = 3

// Near lists at most three names that are most like name, the nearest first, for
// a hint: those that contain it, and those about a third of the letters away.
func Near(name string, names []string) []string {
	type candidate struct {
		name string
		away int
	}
	var found []candidate
	for _, n := range names {
		away := Distance(strings.ToLower(name), n)
		if strings.Contains(n, strings.ToLower(name)) && name != "" {
			away = min(away, 1)
		}
		if away <= min(1+len(name)/3, longest-1) {
			found = append(found, candidate{n, away})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.away - b.away })
	var list []string
	for _, c := range found[:min(maxSuggested, len(found))] {
		if c.away <= found[0].away+1 {
			list = append(list, c.name)
		}
	}
	return list
}

// longest is the length from which on names are not compared.
const longest = 128

// Distance is the number of bytes to change, add or remove between a and b
// (Levenshtein).
func Distance(a, b string) int {
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
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
