//go:build race

package soak

// buildFlags build galley with the race detector where the tests have it.
var buildFlags = []string{"-race"}
