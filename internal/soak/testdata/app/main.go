// Command app is what the soak deploys: a web server that is as well as MODE says.
// "serve" (the default) is healthy, "sick" never, "exit0" and "exit1" end at once.
// On SIGTERM it answers what it has begun and ends, as a good app does. "app health"
// is its health check, "app client" the client that asks it 50 times a second.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const address = ":8080"

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "health":
			os.Exit(health())
		case "client":
			os.Exit(client(os.Getenv("TARGET")))
		}
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
	if err := serve(mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(mode string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if mode == "sick" {
			http.Error(w, "the app is not well", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) // so that a stop finds requests that are under way
		fmt.Fprintln(w, "version", os.Getenv("NOTE"))
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drained, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return server.Shutdown(drained)
}

func health() int {
	ask := http.Client{Timeout: 2 * time.Second}
	answer, err := ask.Get("http://127.0.0.1" + address + "/health")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		fmt.Print(string(text))
		return 1
	}
	return 0
}
