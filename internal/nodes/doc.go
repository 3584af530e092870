// Package nodes tests deploys on a swarm of several nodes, three managers and two
// workers on one machine: placement, pulls per node, and nodes that die or lose the
// network while a deploy is under way. It has nothing but tests.
package nodes
