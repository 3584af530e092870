package soak

import (
	"math/rand/v2"
	"time"
)

// fault is what happens during a deploy.
type fault string

const (
	none            fault = "none"
	noChange        fault = "no change"
	undeploy        fault = "undeploy"
	badVersion      fault = "bad version" // one of the versions that are not good
	spoiled         fault = "image spoiled by the registry"
	registryDown    fault = "registry down"
	interruptOnce   fault = "ctrl-C"
	interruptTwice  fault = "ctrl-C twice"
	interruptThrice fault = "ctrl-C three times"
	killed          fault = "kill -9, and the next deploy"
	foreignLabels   fault = "a label by other hands"
	foreignScale    fault = "scaled by other hands"
	foreignRollback fault = "rolled back by other hands"
	lockRemoved     fault = "lock removed by other hands"
	configRemoved   fault = "unused configs removed by other hands"
	serviceRemoved  fault = "service removed by other hands"
	slowNetwork     fault = "network hangs"
	cutNetwork      fault = "network cut"
	lostAnswers     fault = "answers lost"
	closedOutput    fault = "output closed"
	readOnly        fault = "read-only env folder"
	tampered        fault = "tampered catalogue"
	twins           fault = "two deploys at once"
)

// deck are the faults as they are dealt: every one comes before one comes again.
// Bad versions have as many cards as there are kinds of them.
var deck = []fault{
	none, noChange, undeploy, badVersion, badVersion, badVersion, badVersion, badVersion, badVersion,
	spoiled, registryDown, interruptOnce, interruptOnce, interruptTwice, interruptThrice, killed, killed, killed,
	foreignLabels, foreignScale, foreignRollback, lockRemoved, configRemoved, serviceRemoved,
	slowNetwork, cutNetwork, cutNetwork, lostAnswers, closedOutput, readOnly, tampered, twins,
}

// step is one deploy of a stack, with its fault. It is drawn before anything runs:
// the same seed gives the same steps.
type step struct {
	number int // in the whole soak, from 1
	fault  fault
	target version
	next   version // what follows a kill, or runs beside
	// write and delay are when the fault comes: when galley's write of that number
	// comes in, 0 for its start, and that much later.
	write int
	delay time.Duration
	last  time.Duration // how long it lasts
	pick  int           // which of several
}

// schedule draws the steps of each stack. Each begins with a clean deploy of
// another good version, from which the references are learned.
func schedule(seed uint64, deploys int) [recipes][]step {
	draw := rand.New(rand.NewPCG(seed, 1))
	var steps [recipes][]step
	var cards []fault
	bad := draw.Perm(len(versions) - goods)
	for n := range deploys {
		s := step{number: n + 1, write: draw.IntN(7), last: between(draw, 200, 3000), pick: draw.IntN(1 << 20)}
		s.delay = []time.Duration{0, between(draw, 0, 300), between(draw, 0, 2500)}[draw.IntN(3)]
		s.target, s.next = anyVersion(draw), anyVersion(draw)
		if n < recipes {
			s.fault, s.target = none, good(n)
			steps[n%recipes] = append(steps[n%recipes], s)
			continue
		}
		if len(cards) == 0 {
			for _, i := range draw.Perm(len(deck)) {
				cards = append(cards, deck[i])
			}
		}
		s.fault, cards = cards[0], cards[1:]
		switch s.fault {
		case none, readOnly, tampered:
			s.target = good(draw.IntN(goods))
		case twins:
			s.target, s.next = good(s.pick), good(s.pick+1+draw.IntN(goods-1))
		case badVersion:
			s.target, bad = failing(bad[0]), append(bad[1:], bad[0])
		}
		steps[n%recipes] = append(steps[n%recipes], s)
	}
	return steps
}

func between(draw *rand.Rand, low, high int) time.Duration {
	return time.Duration(low+draw.IntN(high-low)) * time.Millisecond
}

// anyVersion is a good one two times of three.
func anyVersion(draw *rand.Rand) version {
	if draw.IntN(3) < 2 {
		return good(draw.IntN(goods))
	}
	return failing(draw.IntN(len(versions) - goods))
}

// newSeed is one that was not used before.
func newSeed() uint64 { return rand.Uint64() >> 12 }
