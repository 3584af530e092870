package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
)

// State is a server as it stands.
type State struct {
	Server  string `json:"server"`
	Address string `json:"address"`
	// Up tells whether an engine of the server answers: its own, or another node's.
	Up    bool   `json:"up"`
	Error string `json:"error"` // why it does not, "" when it does
	// Engine, API and Swarm are of the engine that answers: its version, the version of
	// its API, and its part in the swarm.
	Engine string `json:"engine"`
	API    string `json:"api"`
	Swarm  string `json:"swarm"`
	// Nodes counts the swarm's nodes, Ready those that are ready, Managers its managers.
	Nodes    int `json:"nodes"`
	Ready    int `json:"ready"`
	Managers int `json:"managers"`
	// Disk is where that engine keeps its data, nil when it is not known.
	Disk *Disk `json:"disk"`
	// Apps counts the env files in the server's folder, Stacks what runs there.
	Apps   int `json:"apps"`
	Stacks int `json:"stacks"`
	// Notes are what a reader should know, a line each.
	Notes []string `json:"notes"`

	err error
}

// Err is why the server does not answer, with its hint.
func (s *State) Err() error { return s.err }

// List looks at the servers that have a folder, and at the default one where it
// answers, in parallel and each within limit. unused are docker contexts that are no
// server and no server's node.
func List(ctx context.Context, dir deployer.Dir, limit time.Duration) (states []*State, unused []string, err error) {
	limit = cmp.Or(limit, DefaultTimeout)
	names, err := Names(dir)
	if err != nil {
		return nil, nil, err
	}
	extra := !slices.Contains(names, deployer.DefaultServer)
	if extra {
		names = append(names, deployer.DefaultServer)
	}
	all := make([]*State, len(names))
	var looking sync.WaitGroup
	for i, name := range names {
		looking.Go(func() { all[i] = stateOf(ctx, dir, name, limit) })
	}
	looking.Wait()
	if extra && !all[len(all)-1].Up {
		all = all[:len(all)-1]
	}
	slices.SortFunc(all, func(a, b *State) int { return cmp.Compare(a.Server, b.Server) })
	unused, err = unusedContexts(dir, names)
	return all, unused, errors.Join(err, ctx.Err())
}

func stateOf(ctx context.Context, dir deployer.Dir, name string, limit time.Duration) *State {
	s := survey(ctx, dir, name, limit, askFacts)
	defer s.Close()
	state := &State{Server: name, Address: s.Own().Address, Notes: []string{}}
	if env, _, err := inFolder(dir, name); err == nil {
		state.Apps = len(env)
	}
	state.take(s)
	return state
}

// take describes the server by the engine that can tell most: a manager, else its own.
func (state *State) take(s *Survey) {
	speaker := s.Manager()
	if speaker == nil {
		speaker = s.Own()
	}
	if s.NodesFileErr != nil {
		state.Notes = append(state.Notes, s.NodesFileErr.Error())
	}
	if speaker.Err != nil {
		state.err, state.Error = speaker.Err, speaker.Err.Error()
		return
	}
	state.Up = true
	state.Engine, state.API, state.Swarm = speaker.Info.ServerVersion, speaker.API, SwarmState(speaker.Info.Swarm)
	if speaker.Facts != nil {
		state.Disk = speaker.Facts.Disk
	}
	state.Stacks = s.Stacks
	state.count(s)
	if own := s.Own(); own.Err != nil {
		state.Notes = append(state.Notes, fmt.Sprintf("its own engine does not answer; node %s does", speaker.Name))
	}
	if note := noteOf(speaker, state.Server); note != "" {
		state.Notes = append(state.Notes, note)
	}
}

func (state *State) count(s *Survey) {
	for _, n := range s.Nodes {
		state.Nodes++
		if n.Status.State == swarm.NodeStateReady {
			state.Ready++
		} else {
			state.Notes = append(state.Notes, fmt.Sprintf("node %s is %s", hostOf(n), n.Status.State))
		}
		if n.ManagerStatus != nil {
			state.Managers++
		}
	}
	if s.NodesErr != nil {
		state.Notes = append(state.Notes, "its nodes cannot be listed: "+s.NodesErr.Error())
	}
}

// noteOf is what to do about an engine that no app can be deployed by.
func noteOf(l *Look, server string) string {
	switch info := l.Info.Swarm; {
	case l.manages():
		return ""
	case info.LocalNodeState != swarm.LocalNodeStateActive:
		return fmt.Sprintf("galley server bootstrap %s makes it a swarm manager", server)
	case !info.ControlAvailable:
		return "a worker deploys nothing: name a manager"
	default:
		return strings.Join(strings.Fields(info.Error), " ")
	}
}

// unusedContexts are docker contexts that are neither a server nor named as a node.
func unusedContexts(dir deployer.Dir, servers []string) ([]string, error) {
	contexts, err := Contexts()
	used := slices.Clone(servers)
	for _, name := range servers {
		nodes, _ := dir.Nodes(name) // what cannot be read is told of with its server
		used = append(used, nodes...)
	}
	var unused []string
	for _, c := range contexts {
		if !slices.Contains(used, c.Name) {
			unused = append(unused, c.Name)
		}
	}
	return unused, err
}
