package registry

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// tries is how often a request is sent before its failure counts.
const tries = 3

// maxRetryAfter keeps a nonsensical Retry-After from overflowing.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads a Retry-After header, which holds seconds or an HTTP date
// (RFC 9110, 10.2.3). Zero means that there is none that can be used.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return clamp(time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return clamp(at.Sub(now))
	}
	return 0
}

func clamp(d time.Duration) time.Duration { return max(0, min(d, maxRetryAfter)) }

// asksToWait tells whether the answer is about too many requests. A server that
// is down for a while may say so with 503 and Retry-After.
func asksToWait(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests ||
		resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != ""
}

// worthAnother tells whether the same request may have better luck.
func worthAnother(ctx context.Context, resp *http.Response, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		return resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented
	}
	return brokenOff(err)
}

// backoffFor is the wait before the try after the given one (from 1): doubled
// each time, with up to a quarter added so that requests do not march in step.
func backoffFor(first time.Duration, try int) time.Duration {
	wait := first << (try - 1)
	return wait + rand.N(wait/4+1)
}
