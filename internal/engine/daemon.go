package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

func newClient(host string) (*client.Client, error) {
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("making a client of %q: %w", host, err)
	}
	return c, nil
}

// waitReady polls until the daemon answers, its supervisor ends or time is up.
func (e *Engine) waitReady(ctx context.Context) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err = poll(ctx, func(ctx context.Context) error {
		select {
		case <-e.init.done:
			return fatal{errors.New("the daemon ended before it was ready")}
		default:
		}
		v, err := c.ServerVersion(ctx)
		if err != nil {
			return err
		}
		e.arch, e.version, e.api = v.Arch, v.Version, v.APIVersion
		if err := checkAPI(v.Version, v.APIVersion); err != nil {
			return fatal{err}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the daemon: %w", err)
	}
	return nil
}

// initSwarm makes the engine a swarm of one and waits until its node is ready, so
// that the first service finds a place.
func (e *Engine) initSwarm(ctx context.Context) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, swarmTimeout)
	defer cancel()
	req := swarm.InitRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: e.NodeAddr()}
	if _, err := c.SwarmInit(ctx, req); err != nil {
		return fmt.Errorf("initialising the swarm: %w", err)
	}
	err = poll(ctx, func(ctx context.Context) error {
		nodes, err := c.NodeList(ctx, swarm.NodeListOptions{})
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Status.State == swarm.NodeStateReady {
				return nil
			}
		}
		return errors.New("the node is not ready")
	})
	if err != nil {
		return fmt.Errorf("waiting for the swarm's node: %w", err)
	}
	return nil
}

// fatal is an error that ends a poll.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// poll calls try until it succeeds, returns a fatal error, or ctx ends; then the
// last error of try is told beside the context's.
func poll(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		var end fatal
		if err == nil || errors.As(err, &end) {
			return err
		}
		if last == nil || ctx.Err() == nil {
			last = err // and not that the time ran out while trying
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// logTail reads the end of the daemon's log. A log that is not there is empty.
func logTail(dir string, n int) string {
	f, err := os.Open(filepath.Join(dir, logName))
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 64 << 10
	if st, err := f.Stat(); err == nil && st.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
