package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// ServeOptions say what is served, and where.
type ServeOptions struct {
	Dir    string // a published catalogue
	Listen string // host:port; port 0 takes a free one
	// Ready is called once with the address, "http://127.0.0.1:8080", when
	// requests are answered.
	Ready func(address string)
	// Access is called for each request when it was answered, by one goroutine at
	// a time; nil is fine.
	Access func(Access)
}

// Access is one request that was answered.
type Access struct {
	Remote string // host:port of who asked
	Method string
	Path   string // as it was asked for: foreign text
	Status int
	Bytes  int64 // of the body
	Took   time.Duration
}

// The limits of Serve. A body may take long: recipes.json may have 250 MB.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 10 * time.Minute
	idleTimeout   = 2 * time.Minute
	goodbye       = 2 * time.Second // for what is under way when it ends
	maxHeader     = 16 << 10
)

// Serve answers requests for a published catalogue until ctx ends, which is no
// error. It is for trying: plain HTTP, one folder, nothing but the files of a
// catalogue. A folder that is none is fault.Usage.
func Serve(ctx context.Context, opts ServeOptions) error {
	files, err := openServed(opts.Dir)
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	defer files.Close()
	listener, err := listen(ctx, opts.Listen)
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	server := &http.Server{
		Handler:           accessLog(files, opts.Access),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: bodyTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // of broken connections: no news to a publisher
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if opts.Ready != nil {
		opts.Ready("http://" + listener.Addr().String())
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close() // a reader that is slow is cut off
	}
	<-ended
	return nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fault.New(fault.Usage, "address %q: expected host:port, such as 127.0.0.1:8080", address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("address %q: %w", address, lastCause(err)), "give another with --listen; port 0 takes a free one")
	}
	return listener, nil
}

// lastCause drops what a network error repeats of the address.
func lastCause(err error) error {
	var of *net.OpError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// openServed opens a folder that has a catalogue's timestamp and first root.
func openServed(name string) (*servedFolder, error) {
	dir, err := disk.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening catalogue: %w", err), "give the folder of a published catalogue")
	}
	defer dir.Close()
	for _, role := range []trust.Role{trust.Root, trust.Timestamp} {
		if err := looksPublished(dir, role); err != nil {
			return nil, err
		}
	}
	return newServedFolder(name)
}

func looksPublished(dir *disk.Dir, role trust.Role) error {
	name := trust.Name(role, 1)
	data, err := dir.Read(name, trust.MaxLength(role))
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir.Exists(indexName):
		err := fault.New(fault.Usage, "%q is no published catalogue: it is not signed", dir.Name())
		return fault.Hint(err, "galley catalogue sign makes one of it")
	case errors.Is(err, fs.ErrNotExist):
		err := fault.New(fault.Usage, "%q is no published catalogue: there is no %s", dir.Name(), name)
		return fault.Hint(err, "give the folder that galley catalogue sign or publish wrote")
	case err != nil:
		return fmt.Errorf("reading %s in %q: %w", name, dir.Name(), err)
	}
	if _, err := trust.Parse(role, data); err != nil {
		return fault.New(fault.Refused, "%s in %q %w", name, dir.Name(), err)
	}
	return nil
}
