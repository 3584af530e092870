//go:build race

package rules

// largestNasty is how many bytes a nasty file has at most under the race detector,
// which makes large ones six times as slow and has nothing more to find in them:
// `make test` runs the larger ones without it.
const largestNasty = 64 << 10
