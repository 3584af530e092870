package main

import (
	"context"
	"errors"
	"io/fs"
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

// watchSignals starts listening for ctrl-C, SIGTERM and the end of the terminal
// until stop is called.
//
// A reader that goes away must not end the process either: a deploy whose output
// goes through head would be left half done. While SIGPIPE is listened to, Go
// makes it the error of the write (os/signal, "SIGPIPE").
func watchSignals(parent context.Context) (ctx context.Context, s *signals, stop func()) {
	ctx, first := context.WithCancel(parent)
	hurry, second := context.WithCancel(context.Background())
	abort, third := context.WithCancel(context.Background())
	received := make(chan os.Signal, 3)
	done := make(chan struct{})
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(received, syscall.SIGHUP)
	}
	broken := make(chan os.Signal, 1) // nobody reads it
	signal.Notify(broken, syscall.SIGPIPE)
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
		signal.Stop(broken)
		close(done)
		first()
		second()
		third()
	}
}

// nobodyReads tells that err is of standard output alone, whose reader has what
// it wanted, as in galley explain | head.
func (s *streams) nobodyReads(err error) bool {
	var write *fs.PathError
	out, ok := s.out.(*os.File)
	return ok && errors.As(err, &write) && write.Path == out.Name() && errors.Is(write, syscall.EPIPE)
}
