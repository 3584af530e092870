package server

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Facts are what was read on an engine's machine itself: the engine does not tell it.
type Facts struct {
	// Disk is of the engine's data, nil when it is not known.
	Disk *Disk
	// Routes are the machine's IPv4 routes, but for default ones.
	Routes []Route
	// Daemon is the engine's configuration, zero when there is no file of it. DaemonErr
	// is why it could not be read.
	Daemon    Daemon
	DaemonErr error
	// Flags are the arguments of the running engine, none when they are not known.
	Flags []string

	// dial, where it is not nil, tells of TCP ports whether they answer the machine, nil
	// for those that do.
	dial func(ctx context.Context, ports []netip.AddrPort) []error
}

// Disk is the file system that holds an engine's data. Sizes are in bytes.
type Disk struct {
	Path       string `json:"path"`
	Total      int64  `json:"total"`
	Free       int64  `json:"free"`   // for the unprivileged
	Inodes     int64  `json:"inodes"` // 0 where the file system has no limit of its own
	InodesFree int64  `json:"inodes_free"`
}

// Route is a subnet that a machine reaches by one of its interfaces.
type Route struct {
	Subnet    netip.Prefix
	Interface string
}

// Daemon is what of the engine's configuration file (daemon.json) is looked at.
type Daemon struct {
	LogDriver   string            `json:"log-driver"`
	LogOpts     map[string]string `json:"log-opts"`
	LiveRestore bool              `json:"live-restore"`
	Insecure    []string          `json:"insecure-registries"`
}

// errElsewhere is why nothing is read on a machine that no ssh address and no local
// socket leads to.
var errElsewhere = errors.New("the machine itself is reached neither by ssh nor as this one")

// readFacts reads the facts by ssh, or here for an engine of this machine.
func readFacts(ctx context.Context, l *Look) (*Facts, error) {
	switch {
	case isSSH(l.Address):
		t, err := parseSSH(l.Address)
		if err != nil {
			return nil, err
		}
		return t.facts(ctx, l.Info.DockerRootDir)
	case strings.HasPrefix(l.Address, "unix://"):
		return localFacts(strings.TrimPrefix(l.Address, "unix://"), l.Info)
	}
	return nil, errElsewhere
}

// factsScript prints, under a heading each, what facts are read from. Its argument is
// where the engine's data is.
const factsScript = `export LC_ALL=C
echo '@galley disk'; df -Pk -- "$1" 2>/dev/null | tail -n 1
echo '@galley inodes'; df -Pi -- "$1" 2>/dev/null | tail -n 1
echo '@galley routes'; cat /proc/net/route
echo '@galley flags'; tr '\0' '\n' <"/proc/$(cat /run/docker.pid)/cmdline" 2>/dev/null
echo '@galley daemon'
if [ -e /etc/docker/daemon.json ]; then cat /etc/docker/daemon.json || echo '@galley unreadable'; fi
echo; echo '@galley end'
`

func (t sshTo) facts(ctx context.Context, data string) (*Facts, error) {
	s, err := t.run(ctx, strictly, factsScript, "sh", "-s", "--", data)
	if err != nil {
		return nil, err
	}
	parts := sections(s.out)
	if _, whole := parts["end"]; !whole {
		return nil, fmt.Errorf("reading the machine by ssh: %s", lastLine(s.err))
	}
	f := &Facts{
		Disk: parseDF(data, parts["disk"], parts["inodes"]), Routes: parseRoutes(parts["routes"]),
		Flags: strings.Fields(parts["flags"]), dial: t.dial,
	}
	if _, denied := parts["unreadable"]; denied {
		f.DaemonErr = errors.New("this user may not read /etc/docker/daemon.json there")
		return f, nil
	}
	f.Daemon, f.DaemonErr = parseDaemon([]byte(parts["daemon"]))
	return f, nil
}

// dialScript tries ports, two arguments each, and prints a code for each on a line of
// its own. bash alone can tell without more programs.
const dialScript = `while [ $# -gt 1 ]; do
	timeout 4 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null && code=0 || code=$?
	echo "@galley $code"
	shift 2
done
`

// dial tries ports from the machine, in one session: a server turns away many that
// begin at the same time.
func (t sshTo) dial(ctx context.Context, ports []netip.AddrPort) []error {
	words := []string{"sh", "-s", "--"}
	for _, p := range ports {
		words = append(words, p.Addr().String(), strconv.Itoa(int(p.Port())))
	}
	s, err := t.run(ctx, strictly, dialScript, words...)
	if err == nil && s.code == sshFailed {
		err = errors.New(lastLine(s.err))
	}
	errs := make([]error, len(ports))
	codes := strings.Fields(strings.ReplaceAll(s.out, "@galley", ""))
	for i := range ports {
		switch {
		case i >= len(codes):
			errs[i] = errNotTold{cmp.Or(err, errors.New("it was not tried"))}
		default:
			errs[i] = dialCode(codes[i])
		}
	}
	return errs
}

// dialCode reads the code of timeout(1) around bash.
func dialCode(code string) error {
	switch code {
	case "0":
		return nil
	case "124":
		return errors.New("no answer")
	case "126", "127":
		return errNotTold{errors.New("there is no bash to try it with")}
	}
	return errors.New("refused")
}

// errNotTold is why it is not known whether a port answers.
type errNotTold struct{ error }

// sections takes apart what factsScript printed, by heading.
func sections(out string) map[string]string {
	parts := map[string]string{}
	heading := ""
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "@galley "); ok {
			heading = name
			parts[heading] = ""
			continue
		}
		parts[heading] += line
	}
	return parts
}

// parseDF reads the last lines of df -Pk and df -Pi: file system, blocks or inodes,
// used, available, in per cent, where. nil for what df did not say.
func parseDF(path, blocks, inodes string) *Disk {
	total, free, ok := dfLine(blocks)
	if !ok {
		return nil
	}
	d := &Disk{Path: path, Total: total << 10, Free: free << 10}
	d.Inodes, d.InodesFree, _ = dfLine(inodes)
	return d
}

// dfLine finds the numbers by the column in per cent, which is "-" where there is no
// limit: names of file systems and of places can have blanks.
func dfLine(line string) (total, free int64, ok bool) {
	fields := strings.Fields(line)
	for i := 3; i < len(fields); i++ {
		if fields[i] != "-" && !strings.HasSuffix(fields[i], "%") {
			continue
		}
		total, err := strconv.ParseInt(fields[i-3], 10, 64)
		free, err2 := strconv.ParseInt(fields[i-1], 10, 64)
		return total, free, err == nil && err2 == nil
	}
	return 0, 0, false
}

// parseRoutes reads /proc/net/route: interface, destination and, as the eighth column,
// mask, both in hexadecimal and the machine's byte order, which is little-endian on all
// that docker's engine runs on.
func parseRoutes(content string) []Route {
	var routes []Route
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		to, ok := hexAddr(fields[1])
		mask, ok2 := hexAddr(fields[7])
		if !ok || !ok2 {
			continue // the heading
		}
		bits := 0
		for _, b := range mask.AsSlice() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		if bits > 0 {
			routes = append(routes, Route{netip.PrefixFrom(to, bits), fields[0]})
		}
	}
	return routes
}

func hexAddr(s string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != 4 {
		return netip.Addr{}, false
	}
	slices.Reverse(raw)
	return netip.AddrFrom4([4]byte(raw)), true
}

// parseDaemon reads a daemon.json. An empty one is a zero Daemon.
func parseDaemon(data []byte) (d Daemon, err error) {
	if strings.TrimSpace(string(data)) == "" {
		return d, nil
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return Daemon{}, fmt.Errorf("/etc/docker/daemon.json: %w", err)
	}
	return d, nil
}

// readLocal reads facts below a root, which is / or a process's own.
func (f *Facts) readLocal(root string) {
	data, err := os.ReadFile(filepath.Join(root, "etc/docker/daemon.json"))
	switch {
	case err == nil:
		f.Daemon, f.DaemonErr = parseDaemon(data)
	case !errors.Is(err, fs.ErrNotExist):
		f.DaemonErr = err
	}
}
