// Package deployer brings a verified catalogue entry to a swarm: entry, env file
// and bundle become the wanted stack; the wanted stack and the current one
// become a plan; the plan is applied under a journal, watched, judged and
// verified, and put back when it fails.
//
// It is a client of the engine and nothing else: no daemon, no scheduler, no
// store. What operators share (lock, journal, history) lives on the swarm as
// labelled configs. It deploys nothing that the entry does not vouch for.
package deployer

import (
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

// NamespaceLabel is what docker calls a stack's own, and what `docker stack`
// finds a stack by.
const NamespaceLabel = "com.docker.stack.namespace"

// Stack is everything of one stack, wanted or current, in the engine's own
// types. Maps are keyed by the full name on the swarm.
//
// A wanted stack names networks, configs and secrets by name; a current one was
// read from the engine, and canonical turns its IDs into names, so that the two
// compare field by field.
type Stack struct {
	Name     string
	Services map[string]Service
	Networks map[string]Network
	Configs  map[string]Config
	Secrets  map[string]Secret
	Volumes  map[string]Volume
	// API is the version of the engine's API that a current stack was read with,
	// "1.41"; "" when wanted. Older engines drop newer fields without a word, and
	// a plan must not want for ever what this engine never stores.
	API string
}

// Service is one service. ID and Version are the engine's, empty when wanted.
type Service struct {
	Spec     swarm.ServiceSpec
	Previous *swarm.ServiceSpec // what the engine would roll back to, nil when wanted
	ID       string
	Version  swarm.Version
	Update   *swarm.UpdateStatus
}

// Network is one network. An external one is only looked up, never made.
type Network struct {
	Name     string
	External bool
	Options  network.CreateOptions
	ID       string
}

// Config is a swarm config with its content; both are immutable under a name.
type Config struct {
	Spec     swarm.ConfigSpec
	External bool
	ID       string
	// Created is when the swarm made it, zero when wanted.
	Created time.Time `json:"-"`
}

// Secret is a swarm secret by its name. Its value is never held here: recipes
// declare secrets external, and an engine does not give values back.
type Secret struct {
	Name     string
	External bool
	Labels   map[string]string
	ID       string
}

// Volume is a named volume as tasks will make it. It is not created by a
// deploy: each node makes its own when a task first mounts it.
type Volume struct {
	Name     string
	External bool
	Options  volume.CreateOptions
}
