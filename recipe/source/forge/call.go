package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Requests that a server had no time for are made again: at most maxTries in
// all, and after at most maxWait.
const (
	maxTries  = 3
	maxWait   = 30 * time.Second
	firstWait = 500 * time.Millisecond
)

// requestTimeout bounds one request with its answer.
const requestTimeout = 30 * time.Second

// caller asks one server about one owner.
type caller struct {
	owner  Owner
	token  string
	client http.Client
}

func newCaller(o Owner, opts Options) *caller {
	c := &caller{owner: o, token: opts.Token}
	if opts.Client != nil {
		c.client = *opts.Client
	} else {
		c.client.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	c.client.CheckRedirect = c.redirect
	return c
}

// redirect lets the server send a request elsewhere, without the token.
func (c *caller) redirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return errors.New("redirected from https to http")
	case req.URL.Host != c.owner.base.Host:
		req.Header.Del("Authorization")
	}
	return nil
}

// answer is one page.
type answer struct {
	list  []Repository
	size  int  // in bytes
	links bool // the server sent a Link header
	next  bool // which names a next page
	total int  // of X-Total-Count; -1 when it was not sent
}

func (a answer) last(page int) bool {
	switch {
	case a.links:
		return !a.next
	case a.total >= 0:
		return page*pageSize >= a.total || len(a.list) == 0
	}
	return len(a.list) == 0
}

// page asks for one page, again after a while when the server has no time.
func (c *caller) page(ctx context.Context, kind string, number int) (answer, error) {
	u := c.owner.base.JoinPath("api", "v1", kind, c.owner.name, "repos")
	u.RawQuery = url.Values{"page": {strconv.Itoa(number)}, "limit": {strconv.Itoa(pageSize)}}.Encode()
	wait := firstWait
	for try := 1; ; try++ {
		a, err := c.ask(ctx, u.String())
		var later *laterError
		if !errors.As(err, &later) || try == maxTries {
			return a, err
		}
		if later.after > 0 {
			wait = later.after
		}
		if deadline, ok := ctx.Deadline(); wait > maxWait || ok && time.Until(deadline) < wait {
			return a, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return a, c.explain(ctx, ctx.Err())
		}
		wait *= 2
	}
}

// laterError is an answer that may be another one later.
type laterError struct {
	after time.Duration // 0 when the server did not say
	err   error
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

func (c *caller) ask(ctx context.Context, address string) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, errors.New("the address makes no request") // the error would show it whole
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "galley")
	if c.token != "" {
		req.Header.Set("Authorization", "token "+c.token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{}, c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if err := c.status(resp); err != nil {
		return answer{}, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, c.explain(ctx, err)
	}
	return read(resp.Header, data)
}

// status words what is no list.
func (c *caller) status(resp *http.Response) error {
	err := fmt.Errorf("%s answered %d %s", c.owner.Host(), resp.StatusCode, http.StatusText(resp.StatusCode))
	hint := "ask who runs the server"
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound:
		return errNotFound
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		hint = "give a token that may read the organisation's repositories, with token_file"
		if c.token != "" {
			hint = "the token is not valid, or may not read the organisation's repositories"
		}
	case code == http.StatusTooManyRequests, code >= 500:
		after := retryAfter(resp.Header.Get("Retry-After"), time.Now())
		if after > 0 {
			err = fmt.Errorf("%w, and wants to be asked again in %s", err, after.Round(time.Second))
		}
		return fault.Hint(&laterError{after, err}, "try again later")
	}
	return fault.Hint(err, "%s", hint)
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 is neither.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 365*24*3600)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// listed is the part of the API's Repository that is needed.
type listed struct {
	Name     string `json:"name"`
	CloneURL string `json:"clone_url"`
	SSHURL   string `json:"ssh_url"`
	Archived bool   `json:"archived"`
	Empty    bool   `json:"empty"`
}

func read(header http.Header, data []byte) (answer, error) {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case len(data) > maxAnswer:
		return answer{}, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case kind != "application/json":
		return answer{}, fault.Hint(fmt.Errorf("the answer is %.60q, expected application/json", kind),
			"check that the address is that of an organisation of a Gitea or Forgejo server")
	}
	var list []listed
	if err := json.Unmarshal(data, &list); err != nil {
		return answer{}, errors.New("the answer is no list of repositories")
	}
	a := answer{total: -1, size: len(data)}
	if count, err := strconv.Atoi(header.Get("X-Total-Count")); err == nil && count >= 0 {
		a.total = count
	}
	for _, link := range header.Values("Link") {
		a.links = true
		a.next = a.next || strings.Contains(link, `rel="next"`)
	}
	for _, r := range list {
		a.list = append(a.list, Repository(r))
	}
	return a, nil
}

// explain makes one line of what the network says, without the address's query
// and whatever else a transport's error shows.
func (c *caller) explain(ctx context.Context, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	hint := "check the address and the network"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(fault.Interrupted, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		err, hint = fmt.Errorf("no whole answer in time: %w", context.DeadlineExceeded), "try again"
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the answer was cut short: %w", err)
	}
	return fault.Hint(fmt.Errorf("asking %s: %w", c.owner.Host(), err), "%s", hint)
}
