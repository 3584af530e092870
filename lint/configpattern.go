package lint

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

func quote(s string) string { return strconv.Quote(s) }

// pattern is a glob over slash-separated paths, as .gitignore has them: without
// a slash before its end it matches in every folder, and what matches a folder
// matches all that is in it. ** stands for any number of folders.
type pattern struct {
	steps []string
}

// maxSteps bounds how many folders a pattern names.
const maxSteps = 64

func parsePattern(text string) (pattern, error) {
	clean := strings.TrimSuffix(text, "/")
	floating := !strings.Contains(clean, "/")
	steps := strings.Split(strings.TrimPrefix(strings.TrimPrefix(clean, "./"), "/"), "/")
	if floating {
		steps = append([]string{"**"}, steps...)
	}
	if len(steps) > maxSteps {
		return pattern{}, fmt.Errorf("pattern %q has more than %d folders", text, maxSteps)
	}
	for _, step := range steps {
		if step == "" || step == "." || step == ".." {
			return pattern{}, fmt.Errorf("pattern %q: expected names between slashes, relative to the configuration", text)
		}
		if _, err := path.Match(step, ""); err != nil {
			return pattern{}, fmt.Errorf("pattern %q: %q is not closed or has an empty range", text, step)
		}
	}
	if steps[len(steps)-1] == "**" && len(steps) > 1 && steps[len(steps)-2] != "**" {
		// "a/**" is all in a, and not a itself; what follows a match counts anyway.
		steps[len(steps)-1] = "*"
	}
	return pattern{steps}, nil
}

// matches tells whether the pattern matches a path, or a folder that it is in.
// It walks both side by side, and goes back to the last ** only, so the time is
// at most the product of their lengths.
func (p pattern) matches(name string) bool {
	names := strings.Split(name, "/")
	at, to := 0, 0
	star, from := -1, 0
	for {
		switch {
		case to == len(p.steps):
			return true // at the end, or in a folder that matches
		case p.steps[to] == "**":
			star, from = to, at
			to++
			continue
		case at < len(names) && matchName(p.steps[to], names[at]):
			at, to = at+1, to+1
			continue
		case star < 0 || from >= len(names):
			return false
		}
		from++
		at, to = from, star+1
	}
}

func matchName(step, name string) bool {
	ok, err := path.Match(step, name)
	return ok && err == nil
}
