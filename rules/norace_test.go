//go:build !race

package rules

import "math"

// largestNasty is how many bytes a nasty file has at most: as many as it likes.
const largestNasty = math.MaxInt
