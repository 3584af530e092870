package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/lint"
)

// outside is what the linter's rules may ask of the network: nothing unless
// --online or --catalogue was given. A catalogue that was named and cannot be
// read, or does not verify, is an error and not a rule that is skipped.
func (c *lintCmd) outside(ctx context.Context) (lint.World, error) {
	var world lint.World
	if c.Online {
		world.Upstream = &web{client: &http.Client{Timeout: 20 * time.Second}, known: map[string]error{}}
	}
	if c.Catalog == "" {
		return world, nil
	}
	client, err := catalogue.Open(ctx, c.Catalog, catalogue.ClientOptions{StateDir: trustDir()})
	if err != nil {
		return world, err
	}
	world.Catalogue = client
	return world, nil
}

// web asks whether addresses answer, each once.
type web struct {
	client *http.Client
	mu     sync.Mutex
	known  map[string]error
}

// Reachable fails when nothing answers at url, or the answer is an error.
func (w *web) Reachable(ctx context.Context, url string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err, ok := w.known[url]; ok {
		return err
	}
	err := w.ask(ctx, url)
	w.known[url] = err
	return err
}

func (w *web) ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return fmt.Errorf("%q is no web address", url)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("nothing answers at %q", url)
	}
	response.Body.Close()
	if response.StatusCode >= 400 && response.StatusCode != http.StatusMethodNotAllowed {
		return fmt.Errorf("%q answers %s", url, response.Status)
	}
	return nil
}
