//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// sizeChanges tells that the terminal's size changed, until stop is called.
func sizeChanges() (changed <-chan os.Signal, stop func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGWINCH)
	return received, func() { signal.Stop(received) }
}
