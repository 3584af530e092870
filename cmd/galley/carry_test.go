package main

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"
)

func TestCarryWaitEndsWhenTold(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		wait := exec.CommandContext(t.Context(), "galley", "carry", "wait")
		stdout, err := wait.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := wait.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "waiting\n" {
			t.Errorf("it says %q, %v", line, err)
		}
		if err := wait.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := wait.Wait(); err != nil {
			t.Errorf("told by %v: %v", signal, err)
		}
	}
}
