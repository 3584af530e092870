package deployer

import (
	"fmt"
	"os"
	"strings"
)

// processMark tells this process from every other of this machine since it was
// started: boot, PID namespace, PID, and the process's start in clock ticks
// (proc(5)). It is "" where there is no /proc.
func processMark() string { return markOf(os.Getpid()) }

func markOf(pid int) string {
	boot, errBoot := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, errSpace := os.Readlink("/proc/self/ns/pid")
	stat, errStat := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errBoot != nil || errSpace != nil || errStat != nil {
		return ""
	}
	// The name, in brackets, may hold anything; the start is the 20th field behind it.
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return strings.Join([]string{strings.TrimSpace(string(boot)), space, fmt.Sprint(pid), fields[19]}, " ")
}

// died tells that the holder of a lock was a process of this machine, under this
// kernel and in this PID namespace, and is not there any more. Of a holder
// anywhere else nothing can be said.
func (h Holder) died() bool {
	ours := strings.Fields(processMark())
	theirs := strings.Fields(h.Process)
	if len(ours) != 4 || len(theirs) != 4 || ours[0] != theirs[0] || ours[1] != theirs[1] {
		return false
	}
	return markOf(h.PID) != h.Process
}
