package recipe

import (
	"regexp"
	"sync"
)

// lazy compiles a pattern when it is first used: those with character classes of
// all scripts cost milliseconds, at the start of commands that read no README.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
