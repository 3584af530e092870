package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Restart ends the daemon as a service manager does, with SIGTERM, and starts it
// again with the same state: its containers end, its swarm goes on. It returns when
// the daemon answers; the swarm's node may need a moment more.
func (e *Engine) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	old, err := e.daemon()
	if err != nil {
		return fmt.Errorf("restarting the engine %s: %w", e.rec.ID, err)
	}
	again := filepath.Join("/proc", strconv.Itoa(e.rec.Init.PID), "root", againPath)
	if err := os.WriteFile(again, nil, 0o600); err != nil {
		return fmt.Errorf("restarting the engine %s: %w", e.rec.ID, err)
	}
	if err := syscall.Kill(old.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("restarting the engine %s: %w", e.rec.ID, err)
	}
	err = poll(ctx, func(context.Context) error {
		if old.alive() {
			return errors.New("the daemon still runs")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("restarting the engine %s: %w", e.rec.ID, err)
	}
	return e.waitReady(ctx)
}

// daemon is the process that the supervisor waits for.
func (e *Engine) daemon() (process, error) {
	all, err := processes()
	if err != nil {
		return process{}, err
	}
	for _, s := range all {
		if s.ppid == e.rec.Init.PID && s.comm == "dockerd" && !s.dead() {
			return process{PID: s.pid, Start: s.start}, nil
		}
	}
	return process{}, errors.New("there is no daemon below the supervisor")
}
