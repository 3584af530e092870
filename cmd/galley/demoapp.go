package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// demoAppCmd is the app that `galley demo` deploys: galley's own binary in an
// image of one layer, so that the demo pulls nothing from outside. It says what
// it was configured with, and is as healthy as GREETER_HEALTH claims.
type demoAppCmd struct {
	Listen string `default:":8080" help:"Address to serve on."`
	Check  bool   `help:"Ask the app for its health instead: 0 is healthy."`
}

// greetingFile is where the recipe's config is mounted.
const greetingFile = "/etc/greeter/greeting.txt"

// Run serves until the engine stops the container, or checks its health.
func (c *demoAppCmd) Run(ctx context.Context, s *streams) error {
	if c.Check {
		return checkHealth(ctx, c.Listen)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if health := os.Getenv("GREETER_HEALTH"); health != "" && health != "good" {
			http.Error(w, "health is "+health, http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		greeting, err := os.ReadFile(greetingFile)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s\n", strings.TrimSpace(string(greeting)))
	})
	server := &http.Server{Addr: c.Listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	s.printf("greeter %s listens on %s\n", os.Getenv("GREETER_VERSION"), c.Listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func checkHealth(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+listen+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fault.New(fault.No, "the app answers %s", response.Status)
	}
	return nil
}
