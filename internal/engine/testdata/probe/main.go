// Probe is the program that the engine's tests run in services: a small HTTP server
// that also looks at the network around it, and its own health check.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "health" {
		os.Exit(health())
	}
	http.HandleFunc("/lookup", lookup)
	http.HandleFunc("/get", get)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		name, _ := os.Hostname()
		fmt.Fprintf(w, "probe %s uid %d\n", name, os.Getuid())
	})
	if err := http.ListenAndServe(":8080", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func health() int {
	c := http.Client{Timeout: time.Second}
	resp, err := c.Get("http://127.0.0.1:8080/")
	if err != nil || resp.StatusCode != http.StatusOK || os.Getenv("UNHEALTHY") != "" {
		fmt.Println("not healthy:", err)
		return 1
	}
	return 0
}

// lookup answers with the addresses of ?name=.
func lookup(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, r.FormValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, strings.Join(addrs, " "))
}

// get answers with what ?url= answers.
func get(w http.ResponseWriter, r *http.Request) {
	c := http.Client{Timeout: 3 * time.Second}
	resp, err := c.Get(r.FormValue("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(w, io.LimitReader(resp.Body, 1<<16))
}
