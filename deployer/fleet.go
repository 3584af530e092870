package deployer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// ServerState is what one of several servers said.
type ServerState struct {
	Name  string `json:"name"`
	Up    bool   `json:"up"`
	Error string `json:"error"` // why it is not, "" when it is

	// Engine is the open connection, nil when the server is not up.
	Engine *Engine `json:"-"`
	// Stacks are all stacks on it, by name.
	Stacks map[string]*Status `json:"-"`
	err    error
}

// Err is why the server could not be asked, with its kind and hint.
func (s *ServerState) Err() error { return s.err }

// maxServers bounds how many servers are asked at the same time.
const maxServers = 16

// AskServers opens servers and reads all their stacks, in parallel and each within
// its own time. One that fails, or does not answer in time, is told in its state
// and keeps no other from being asked. CloseServers must follow.
func AskServers(ctx context.Context, dir Dir, names []string, within time.Duration) []*ServerState {
	states := make([]*ServerState, len(names))
	slots := make(chan struct{}, maxServers)
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			states[i] = askServer(ctx, dir, name, within)
		})
	}
	all.Wait()
	return states
}

// CloseServers ends the connections of AskServers.
func CloseServers(states []*ServerState) {
	for _, s := range states {
		if s.Engine != nil {
			_ = s.Engine.Close()
		}
	}
}

// askServer gives up at its deadline whatever the connection does: one over ssh
// starts a program that may hang and know of no deadline.
func askServer(ctx context.Context, dir Dir, name string, within time.Duration) *ServerState {
	ctx, cancel := context.WithTimeout(ctx, within)
	answer := make(chan *ServerState, 1)
	go func() {
		defer cancel()
		s := &ServerState{Name: name}
		var nodes []string
		if nodes, s.err = dir.Nodes(name); s.err == nil {
			s.Engine, s.err = Connect(ctx, name, nodes...)
		}
		if s.err == nil {
			s.Stacks, s.err = s.Engine.Statuses(ctx, nil)
		}
		if s.err != nil && s.Engine != nil {
			_ = s.Engine.Close()
			s.Engine = nil
		}
		answer <- s
	}()
	var s *ServerState
	select {
	case s = <-answer:
	case <-ctx.Done():
		select {
		case s = <-answer: // it ended, and ended the context
		case <-time.After(answerGrace):
			s = &ServerState{Name: name, err: context.Cause(ctx)}
		}
	}
	if s.err != nil && ctx.Err() == context.DeadlineExceeded {
		s.err = fault.Hint(fault.New(fault.Unavailable, "server %q did not answer within %s", name, within), "is the machine up, and may this user reach it?")
	}
	if s.Up = s.err == nil; !s.Up {
		s.Error = oneLine(s.err.Error())
	}
	return s
}

// answerGrace is how long an answer may be on its way when its time is over.
const answerGrace = 200 * time.Millisecond

// State is how an app stands, in one word or two.
type State string

// The states.
const (
	StateRunning     State = "running"
	StateDegraded    State = "degraded"     // some tasks do not run
	StateUnfinished  State = "unfinished"   // a deploy runs, or was left
	StateUndeployed  State = "not deployed" // its server has no stack of it
	StateNoEnvFile   State = "no env file"  // a stack that nobody here has the env file of
	StateUnreachable State = "unknown"      // its server did not answer
	StateNotAsked    State = "not asked"    // no server was asked
)

// AppState is an app with what its server says of it.
type AppState struct {
	Domain string `json:"domain"` // "" for a stack without an env file
	Server string `json:"server"`
	Path   string `json:"path"` // of the env file
	// EnvVersion is the version that the env file names; Status has the one that
	// runs.
	EnvVersion string `json:"env_version"`
	State      State  `json:"state"`
	Health     Health `json:"health"` // of the worst service, "" when none is known
	Running    int    `json:"running"`
	Wanted     int    `json:"wanted"`
	// Upgrade is the newest version that is vetted, not withdrawn and newer than
	// the one that runs; "" when there is none, or no catalogue was read.
	Upgrade string `json:"upgrade"`
	// Drift is whether the swarm has something else than what is wanted.
	Drift Drift `json:"drift"`
	Status

	App App `json:"-"`
}

// Drift is yes, no, or not known.
type Drift string

// The answers about drift.
const (
	DriftYes     Drift = "yes"
	DriftNo      Drift = "no"
	DriftUnknown Drift = "unknown"
)

// NewAppState is the state of an app on a server that was asked, nil for one that
// was not.
func NewAppState(app App, server *ServerState) AppState {
	s := AppState{
		Domain: app.Domain, Server: app.Server, Path: app.Path, EnvVersion: app.Version, App: app,
		State: StateNotAsked, Drift: DriftUnknown,
		Status: Status{Stack: app.Stack, Recipe: app.Recipe, Services: []ServiceStatus{}},
	}
	switch {
	case server == nil:
	case !server.Up:
		s.State = StateUnreachable
	case server.Stacks[app.Stack] == nil:
		s.State = StateUndeployed
	default:
		s.take(server.Stacks[app.Stack])
	}
	return s
}

func (s *AppState) take(status *Status) {
	recipe := s.Recipe
	s.Status = *status
	if s.Recipe == "" {
		s.Recipe = recipe
	}
	order := []Health{"", HealthStopped, HealthRunning, HealthGood, HealthStarting, HealthFailing}
	for _, service := range s.Services {
		s.Running, s.Wanted = s.Running+service.Running, s.Wanted+service.Wanted
		if slices.Index(order, service.Health) > slices.Index(order, s.Health) {
			s.Health = service.Health
		}
	}
	switch {
	case s.Unfinished:
		s.State = StateUnfinished
	case !s.Healthy():
		s.State = StateDegraded
	default:
		s.State = StateRunning
	}
	if s.touched() != nil {
		s.Drift = DriftYes
	}
}

// Strays are the stacks of a server that clients of recipes deployed and that none
// of the apps is: their env files are somewhere else.
func (s *ServerState) Strays(apps []App) []AppState {
	var strays []AppState
	for _, name := range sortedKeys(s.Stacks) {
		known := slices.ContainsFunc(apps, func(a App) bool { return a.Server == s.Name && a.Stack == name })
		if known || s.Stacks[name].Recipe == "" {
			continue
		}
		stray := NewAppState(App{Server: s.Name, Stack: name}, s)
		stray.State = StateNoEnvFile
		strays = append(strays, stray)
	}
	return strays
}
