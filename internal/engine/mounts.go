package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mountPoint is what this package reads of /proc/self/mountinfo (proc(5)).
type mountPoint struct{ point, fstype string }

func mountInfo() ([]mountPoint, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	return parseMounts(string(text)), nil
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func parseMounts(text string) []mountPoint {
	var found []mountPoint
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		fields, source := strings.Fields(head), strings.Fields(tail)
		if !ok || len(fields) < 5 || len(source) == 0 {
			continue
		}
		found = append(found, mountPoint{mountEscapes.Replace(fields[4]), source[0]})
	}
	return found
}

// cgroupRoots are the mount points of this host's cgroup hierarchies, either version.
func cgroupRoots() ([]string, error) {
	mounts, err := mountInfo()
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, m := range mounts {
		if (m.fstype == "cgroup" || m.fstype == "cgroup2") && filepath.IsAbs(m.point) {
			roots = append(roots, m.point)
		}
	}
	return roots, nil
}
