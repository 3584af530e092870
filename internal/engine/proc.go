package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a process id together with the time the process started, in clock
// ticks since boot: a recycled id has another start.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// alive reports whether that very process runs. A zombie does not.
func (p process) alive() bool {
	if p.PID <= 0 {
		return false
	}
	s, err := readStat(p.PID)
	return err == nil && s.start == p.Start && !s.dead()
}

func processOf(pid int) (process, error) {
	s, err := readStat(pid)
	return process{PID: pid, Start: s.start}, err
}

// stat is what this package reads of /proc/PID/stat (proc(5)).
type stat struct {
	pid   int
	comm  string
	state string
	ppid  int
	start uint64
}

// dead reports a zombie, or what is about to be none any more.
func (s stat) dead() bool { return s.state == "Z" || s.state == "X" }

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// parseStat looks for the last parenthesis: a command name may hold anything.
func parseStat(text string) (stat, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("reading a process's stat %q: no command name", text)
	}
	rest := strings.Fields(text[end+1:])
	if len(rest) < 20 {
		return stat{}, fmt.Errorf("reading a process's stat %q: %d fields after the name, expected 20", text, len(rest))
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
	if err != nil {
		return stat{}, fmt.Errorf("reading a process's stat: %w", err)
	}
	ppid, err := strconv.Atoi(rest[1])
	if err != nil {
		return stat{}, fmt.Errorf("reading a process's stat: %w", err)
	}
	start, err := strconv.ParseUint(rest[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("reading a process's stat: %w", err)
	}
	return stat{pid: pid, comm: text[open+1 : end], state: rest[0], ppid: ppid, start: start}, nil
}

// processes lists what runs, by id. Processes that end meanwhile are left out.
func processes() (map[int]stat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := map[int]stat{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all[pid] = s
		}
	}
	return all, nil
}

// descends reports whether pid is root or was started below it. Processes of an
// engine that lose their parent fall to its supervisor, so the chain holds.
func descends(all map[int]stat, pid, root int) bool {
	for range len(all) {
		if pid == root {
			return true
		}
		s, ok := all[pid]
		if !ok || s.ppid == 0 {
			return false
		}
		pid = s.ppid
	}
	return false
}
