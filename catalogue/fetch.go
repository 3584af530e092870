package catalogue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// DefaultTimeout bounds one request of a Client, its body included.
const DefaultTimeout = 30 * time.Second

// fetcher is where a catalogue is read from.
type fetcher interface {
	trust.Fetcher
	// Location is the address as it is shown: an absolute path, or a URL without
	// credentials.
	Location() string
	Close() error
}

// openFetcher opens a folder, or an http, https or oci address.
func openFetcher(location string, client *http.Client, timeout time.Duration) (fetcher, error) {
	if location == "" { // a variable in a script may be empty
		return nil, fault.Hint(fault.New(fault.Usage, "no catalogue is named"), "give the folder or the address of a published catalogue")
	}
	scheme, _, isURL := strings.Cut(location, "://")
	if !isURL {
		return openFolder(location)
	}
	if isOCI(location) {
		return openOCI(location, timeout)
	}
	base, err := url.Parse(location)
	if err != nil {
		return nil, fault.New(fault.Usage, "catalogue address does not parse, it starts with %q", scheme+"://")
	}
	shown := *base
	shown.User = nil
	switch {
	case base.Scheme != "https" && base.Scheme != "http":
		err := fault.New(fault.Usage, "catalogue address %q: expected https://, http://, oci:// or a folder", shown.Redacted())
		return nil, err
	case base.Host == "" || base.RawQuery != "" || base.Fragment != "":
		return nil, fault.New(fault.Usage, "catalogue address %q: expected a host and a path, without a query", shown.Redacted())
	}
	shown.Path = strings.TrimRight(shown.Path, "/")
	return &webFetcher{base: base, location: shown.String(), client: webClient(client), timeout: timeout}, nil
}

type folderFetcher struct{ dir *disk.Dir }

func openFolder(location string) (fetcher, error) {
	abs, err := filepath.Abs(location)
	if err != nil {
		return nil, fmt.Errorf("opening catalogue %q: %w", location, err)
	}
	dir, err := disk.Open(abs)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening catalogue: %w", err), "give the folder or the address of a published catalogue")
	}
	return folderFetcher{dir}, nil
}

func (f folderFetcher) Location() string { return f.dir.Name() }
func (f folderFetcher) Close() error     { return f.dir.Close() }

func (f folderFetcher) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.dir.Read(name, limit)
}

type webFetcher struct {
	base     *url.URL
	location string
	client   *http.Client
	timeout  time.Duration
}

// redirectError is a redirect that is not followed. It reads on after the host.
type redirectError string

func (e redirectError) Error() string { return string(e) }

// webClient follows no redirect from https to http.
func webClient(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	}
	if client.CheckRedirect == nil {
		client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return redirectError("is redirected more than 10 times")
			}
			if req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https" {
				return redirectError("redirects from https to http")
			}
			return nil
		}
	}
	return &client
}

func (f *webFetcher) Location() string { return f.location }

func (f *webFetcher) Close() error {
	f.client.CloseIdleConnections()
	return nil
}

func (f *webFetcher) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q is no path in a catalogue", name)
	}
	limited, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, f.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "galley")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	defer resp.Body.Close()
	if err := f.status(name, resp); err != nil {
		return nil, err
	}
	if resp.ContentLength > limit {
		return nil, disk.ErrTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	if int64(len(data)) > limit {
		return nil, disk.ErrTooLarge
	}
	return data, nil
}

func (f *webFetcher) status(name string, resp *http.Response) error {
	role, _, _ := trust.ParseName(name)
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound, code == http.StatusGone:
		return fs.ErrNotExist
	case code == http.StatusForbidden && role == trust.Root:
		return fs.ErrNotExist // object stores hide that way what is not there
	}
	err := fault.New(fault.Unavailable, "%s answered %d %s", f.base.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized && f.base.User != nil:
		return fault.Hint(err, "the name and password in the address are not the ones that the host wants")
	case code == http.StatusUnauthorized:
		return fault.Hint(err, "the host wants a login: name the catalogue as %s://NAME:PASSWORD@%s…, in GALLEY_CATALOGUE rather than as an argument", f.base.Scheme, f.base.Host)
	case code == http.StatusTooManyRequests || code >= 500:
		return fault.Hint(unreachable{err}, "try again later, or ask who runs the host")
	}
	return fault.Hint(err, "check the address, or ask who runs the host")
}

// explain makes one line of a transport's error, without the URL and whatever
// credentials it has.
func (f *webFetcher) explain(ctx context.Context, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	var certificate *tls.CertificateVerificationError
	var redirect redirectError
	hint := "check the address and the network"
	switch {
	case errors.As(err, &redirect):
		return fault.Hint(fault.New(fault.Unavailable, "%s %w", f.base.Host, redirect), "check the address, or ask who runs the host")
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(fault.Interrupted, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		err, hint = fmt.Errorf("no whole answer in time: %w", context.DeadlineExceeded), "try again, or allow more time"
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the answer was cut short: %w", err)
	case errors.As(err, &certificate):
		hint = "the server's certificate is not right: check this machine's clock and the address, or ask who runs the host"
	}
	told := fault.New(fault.Unavailable, "asking %s: %w", f.base.Host, err)
	if isSilence(err) {
		told = unreachable{told}
	}
	return fault.Hint(told, "%s", hint)
}

// isSilence tells no answer, or half of one, from one that is no HTTP.
func isSilence(err error) bool {
	var of net.Error
	return errors.As(err, &of) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
