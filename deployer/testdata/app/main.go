// Command app is what the engine tests deploy. MODE says how it behaves: "serve"
// (the default) is healthy after DELAY, "sick" never, "exit0" and "exit1" end at
// once, "once" on its volume's second start, "flaky" on every second one, "stubborn"
// does not listen to SIGTERM, "needs" ends at once until another app on its volume
// is healthy, "after" is healthy once another on its volume did that. SICK is the SLOT
// that is sick whatever the MODE, and after LIFE it ends with exit code 1. Called as
// "app health" it is the container's health check, as "app routes" it prints the routes
// that the container has.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	ready   = "/ready"
	started = "/data/started"
	healthy = "/data/healthy"
	died    = "/data/died"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "health" {
		if _, err := os.Stat(ready); err != nil {
			fmt.Println("the app is not well")
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "routes" {
		routes, err := os.ReadFile("/proc/net/route")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(string(routes))
		return
	}
	mode := os.Getenv("MODE")
	fmt.Println("started as", mode)
	switch mode {
	case "exit0":
		return
	case "exit1":
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(1)
	}
	if mode == "flaky" {
		if _, err := os.Stat(started); err == nil {
			_ = os.Remove(started)
			fmt.Fprintln(os.Stderr, "not this time")
			os.Exit(1)
		}
		if err := os.WriteFile(started, nil, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if slot := os.Getenv("SLOT"); slot != "" && slot == os.Getenv("SICK") {
		mode = "sick"
	}
	if _, err := os.Stat(healthy); mode == "needs" && err != nil {
		die("the database is not there")
	}
	if life, err := time.ParseDuration(os.Getenv("LIFE")); err == nil {
		time.AfterFunc(life, func() { die("cannot go on") })
	}
	if mode == "once" {
		if _, err := os.Stat(started); err == nil {
			fmt.Fprintln(os.Stderr, "the data is of a newer version")
			os.Exit(1)
		}
		if err := os.WriteFile(started, nil, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	after, _ := strconv.ParseInt(os.Getenv("AFTER"), 10, 64)
	delay, _ := time.ParseDuration(os.Getenv("DELAY"))
	timer := time.After(delay)
	for {
		select {
		case <-timer:
			if mode == "sick" {
				continue
			}
			if mode == "after" && deaths() < after {
				timer = time.After(50 * time.Millisecond)
				continue
			}
			if mode == "after" { // by then swarm knows of the next one
				mode, timer = "serve", time.After(3*time.Second)
				continue
			}
			if err := os.WriteFile(ready, nil, 0o600); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			if _, err := os.Stat("/data"); err == nil {
				_ = os.WriteFile(healthy, nil, 0o600)
			}
		case <-stop:
			if mode != "stubborn" {
				return
			}
		}
	}
}

// die ends the app, and leaves a byte for it on the volume.
func die(why string) {
	if f, err := os.OpenFile(died, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_, _ = f.WriteString(".")
	}
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func deaths() int64 {
	st, err := os.Stat(died)
	if err != nil {
		return 0
	}
	return st.Size()
}
