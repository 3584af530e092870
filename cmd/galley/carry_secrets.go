package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
)

// maxSecret is the size from which on swarm takes no secret, in bytes.
const maxSecret = 512_000

type carrySecretsCmd struct {
	Dir string `arg:"" help:"The folder that the secrets are mounted in."`
}

// Run prints an object of the regular files' names and contents, in base64. It is
// the one command that prints secrets: its output goes into an encrypted
// repository, and nowhere else.
func (c *carrySecretsCmd) Run(s *streams) error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return err
	}
	secrets := map[string][]byte{} // which JSON has as base64
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if secrets[e.Name()], err = readSecret(filepath.Join(c.Dir, e.Name())); err != nil {
			return err
		}
	}
	return s.printJSON(secrets)
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	value, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	if len(value) > maxSecret {
		return nil, fault.New(fault.Refused, "%s is longer than %d bytes, and no secret", path, maxSecret)
	}
	return value, nil
}
