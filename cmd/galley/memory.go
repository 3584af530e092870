package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// unhurried is how much memory, in bytes, galley takes before it looks for what it
// can give back. Most commands end before they have taken that much: linting six
// hundred files needs about half of it at once and gives a third of its time away
// when the garbage is collected from the first 4 MB on, as Go does.
const unhurried = 128 << 20

// collectLate puts the first garbage collection off until unhurried bytes are in
// use, and lets the runtime do as it always does from then on. Who sets GOGC or
// GOMEMLIMIT knows better.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(unhurried)
	// The first collection finds this unused, and says so.
	runtime.AddCleanup(new(*int), func(int) { // of a type with a pointer: those without may share a block
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}, 0)
}

// saveMemory has the garbage collected at 64 MB at the latest: for commands through which
// any amount of data goes, beside programs that need the memory.
func saveMemory() {
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(64 << 20)
}
