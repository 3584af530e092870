package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals are the steps of an impatient user. The command's context ends with
// the first ctrl-C; a deploy that is being put back goes on until hurry ends
// with the second, which stops waiting, and abort with the third, which stops
// at once.
type signals struct {
	hurry, abort context.Context
}

// watchSignals starts listening for ctrl-C and SIGTERM until stop is called.
func watchSignals(parent context.Context) (ctx context.Context, s *signals, stop func()) {
	ctx, first := context.WithCancel(parent)
	hurry, second := context.WithCancel(context.Background())
	abort, third := context.WithCancel(context.Background())
	received := make(chan os.Signal, 3)
	done := make(chan struct{})
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	go func() {
		for _, cancel := range []context.CancelFunc{first, second, third} {
			select {
			case <-received:
				cancel()
			case <-done:
				return
			}
		}
	}()
	return ctx, &signals{hurry, abort}, func() {
		signal.Stop(received)
		close(done)
		first()
		second()
		third()
	}
}
