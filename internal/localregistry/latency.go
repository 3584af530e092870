package localregistry

import (
	"net/http"
	"time"
)

// WithLatency keeps every answer back for d, as a registry at some distance
// does, so that a measurement on one machine is about requests and not about
// this process. Push goes round it.
func WithLatency(d time.Duration) Option {
	return WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				next.ServeHTTP(w, req)
			case <-req.Context().Done():
			}
		})
	})
}
