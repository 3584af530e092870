package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// every is the time between two requests: 50 a second.
const every = 20 * time.Millisecond

// tally is what a client counted, printed as one line of JSON when it is stopped.
type tally struct {
	Requests int            `json:"requests"`
	Answers  map[string]int `json:"answers"` // by text
	Failures []string       `json:"failures"`

	mu sync.Mutex
}

// client asks target until it gets SIGTERM: a name is looked up anew and a
// connection made anew for each request, nothing is tried twice, and no request
// waits for another. It says "ready" at the first answer.
func client(target string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext}
	t := &tally{Answers: map[string]int{}, Failures: []string{}}
	t.await(ctx, transport, target)
	fmt.Println("ready")
	var waiting sync.WaitGroup
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			waiting.Go(func() { t.count(ask(transport, target)) })
		}
	}
	waiting.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(t)
	return 0
}

// await returns once there was an answer: before, there is no service to miss.
func (t *tally) await(ctx context.Context, transport *http.Transport, target string) {
	for ctx.Err() == nil {
		if _, err := ask(transport, target); err == nil {
			return
		}
		time.Sleep(every)
	}
}

func ask(transport *http.Transport, target string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+address, nil)
	if err != nil {
		return "", err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return string(text), err
}

func (t *tally) count(text string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Requests++
	if err != nil {
		t.Failures = append(t.Failures, time.Now().Format("15:04:05.000")+" "+err.Error())
		return
	}
	t.Answers[text]++
}
