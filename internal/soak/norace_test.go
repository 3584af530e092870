//go:build !race

package soak

// buildFlags build galley as the tests are built.
var buildFlags []string
