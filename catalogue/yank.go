package catalogue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// YankedName is the file, beside the configuration, of the versions that the
// publisher withdrew. It is for people too, and for a repository: a line for each,
// "<recipe>@<version> <reason>", and comments that start with #.
const YankedName = "yanked.txt"

// Yanks are withdrawn versions: recipe → version → reason.
type Yanks map[string]map[string]string

// LoadYanks reads yanked.txt; one that is not there withdraws nothing. What is
// wrong in it is fault.Usage and named by its line.
func LoadYanks(name string) (Yanks, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading withdrawn versions: %w", err)
	}
	yanks := Yanks{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, _ := strings.Cut(line, " ")
		if err := yanks.add(what, reason); err != nil {
			return nil, fault.Wrap(fault.Usage, fmt.Errorf("%s:%d: %w", name, number, err))
		}
	}
	return yanks, lines.Err()
}

func (y Yanks) add(what, reason string) error {
	name, version, ok := strings.Cut(what, "@")
	if !ok {
		return fmt.Errorf("%q is no version; expected <recipe>@<version> and a reason", what)
	}
	if err := recipe.ValidRecipeName(name); err != nil {
		return err
	}
	if _, err := recipe.ParseVersion(version); err != nil {
		return err
	}
	reason = cleanLine(reason, maxLine)
	if reason == "" {
		return fmt.Errorf("%s has no reason; those who run it will ask", what)
	}
	if _, ok := y[name][version]; ok {
		return fmt.Errorf("%s is there twice", what)
	}
	if y[name] == nil {
		y[name] = map[string]string{}
	}
	y[name][version] = reason
	return nil
}

// Yank adds a version to yanked.txt. The next build marks it.
func Yank(name, what, reason string) error {
	yanks, err := LoadYanks(name)
	if err != nil {
		return err
	}
	if yanks == nil {
		yanks = Yanks{}
	}
	if err := yanks.add(what, reason); err != nil {
		return fault.Wrap(fault.Usage, err)
	}
	old, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = []byte("# Versions that are not for new deploys: <recipe>@<version> <reason>\n"), nil
	}
	if err != nil {
		return fmt.Errorf("withdrawing %s: %w", what, err)
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	line := what + " " + cleanLine(reason, maxLine) + "\n"
	if err := renameio.WriteFile(name, append(old, line...), 0o644); err != nil {
		return fmt.Errorf("withdrawing %s: %w", what, err)
	}
	return nil
}
