//go:build !linux

package server

import "github.com/docker/docker/api/types/system"

// localFacts knows nothing where the engine runs in a virtual machine.
func localFacts(string, system.Info) (*Facts, error) { return nil, errElsewhere }
