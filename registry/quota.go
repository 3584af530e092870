package registry

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Quota is what a host last said about its limit on requests.
type Quota struct {
	Host string
	// Limit is the number of requests allowed, -1 when the host did not say.
	Limit int64
	// Remaining is how many of them are left.
	Remaining int64
	// Window is the time that Limit is for, 0 when unknown.
	Window time.Duration
	// Reset is when there will be more, zero when unknown.
	Reset time.Time
	// Pulls means that GETs of manifests are counted and nothing else is, as on
	// Docker Hub, where a HEAD costs nothing.
	Pulls bool
}

const (
	maxMembers = 16      // of a RateLimit field
	maxQuota   = 1 << 40 // so that nothing overflows
	// unixFrom is the smallest number of seconds that is taken for a time of day
	// and not for a span: some servers (GitLab) send the former.
	unixFrom = 1_000_000_000
)

// readQuota reads the RateLimit fields of an answer, in the forms that are about:
//
//	RateLimit: "default";r=50;t=30          with RateLimit-Policy: "default";q=100;w=60
//	RateLimit: limit=100, remaining=50, reset=30
//	RateLimit-Limit: 100    RateLimit-Remaining: 50    RateLimit-Reset: 30
//	RateLimit-Limit: 100;w=21600    RateLimit-Remaining: 76;w=21600
//
// The first three are revisions 8 to 11, 7, and 0 to 6 of
// draft-ietf-httpapi-ratelimit-headers, the last one is Docker Hub's, which has
// no reset and counts pulls ("Docker Hub pull usage and limits").
func readQuota(header http.Header, now time.Time) (Quota, bool) {
	if list := members(header, "RateLimit"); len(list) > 0 {
		if q, ok := quotaOfItems(list, members(header, "RateLimit-Policy"), now); ok {
			return q, true
		}
		return quotaOfDictionary(list, now)
	}
	return quotaOfFields(header, now)
}

// quotaOfItems takes the policy of which least is left.
func quotaOfItems(list, policies []member, now time.Time) (Quota, bool) {
	found := false
	var tightest Quota
	for _, m := range list {
		left, ok := number(m.params["r"])
		if !ok || found && left >= tightest.Remaining {
			continue
		}
		found = true
		tightest = Quota{Limit: -1, Remaining: left, Reset: resetAt(m.params["t"], now)}
		for _, p := range policies {
			if p.value == m.value {
				tightest.limit(p.params["q"], p.params["w"])
			}
		}
	}
	return tightest, found
}

func quotaOfDictionary(list []member, now time.Time) (Quota, bool) {
	values := map[string]string{}
	for _, m := range list {
		key, value, _ := strings.Cut(m.value, "=")
		values[key] = value
	}
	left, ok := number(values["remaining"])
	q := Quota{Remaining: left, Reset: resetAt(values["reset"], now)}
	q.limit(values["limit"], "")
	return q, ok
}

func quotaOfFields(header http.Header, now time.Time) (Quota, bool) {
	remaining := members(header, "RateLimit-Remaining")
	if len(remaining) == 0 {
		return Quota{}, false
	}
	left, ok := number(remaining[0].value)
	_, docker := remaining[0].params["w"]
	q := Quota{Limit: -1, Remaining: left, Reset: resetAt(header.Get("RateLimit-Reset"), now), Pulls: docker}
	if limits := members(header, "RateLimit-Limit"); len(limits) > 0 {
		q.limit(limits[0].value, cmp.Or(limits[0].params["w"], remaining[0].params["w"]))
	}
	return q, ok
}

func (q *Quota) limit(limit, window string) {
	q.Limit = -1
	if n, ok := number(limit); ok {
		q.Limit = n
	}
	if seconds, ok := number(window); ok {
		q.Window = clamp(time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second)
	}
}

// resetAt reads the seconds until a reset, or its Unix time.
func resetAt(text string, now time.Time) time.Time {
	seconds, ok := number(text)
	switch {
	case !ok:
		return time.Time{}
	case seconds >= unixFrom:
		return now.Add(clamp(time.Unix(seconds, 0).Sub(now)))
	}
	return now.Add(clamp(time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second))
}

// number reads a count. Structured fields may write whole numbers as decimals.
func number(text string) (int64, bool) {
	whole, _, _ := strings.Cut(strings.TrimSpace(text), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	return min(n, maxQuota), err == nil && n >= 0
}

// member is one member of a structured field's list (RFC 9651) with its
// parameters, unquoted.
type member struct {
	value  string
	params map[string]string
}

// members reads a field. What is not understood is left out: nothing depends on
// it but politeness.
func members(header http.Header, field string) []member {
	var list []member
	for _, text := range splitOutside(strings.Join(header.Values(field), ","), ',') {
		parts := splitOutside(text, ';')
		m := member{value: unquote(parts[0]), params: map[string]string{}}
		for _, param := range parts[1:] {
			key, value, _ := strings.Cut(param, "=")
			m.params[strings.TrimSpace(key)] = unquote(value)
		}
		if m.value != "" && len(list) < maxMembers {
			list = append(list, m)
		}
	}
	return list
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// splitOutside splits at a separator that is not within quotes.
func splitOutside(text string, separator rune) []string {
	quoted := false
	var parts []string
	start := 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// quotas are what hosts said last, by host.
func (w *wire) quotas() []Quota {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Quota
	for host, g := range w.gates {
		if q, ok := g.quota(); ok {
			q.Host = publicName(host)
			list = append(list, q)
		}
	}
	slices.SortFunc(list, func(a, b Quota) int { return cmp.Compare(a.Host, b.Host) })
	return list
}
