package deployer

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// Reach is a client of the engine behind a docker context's name, an address or
// DefaultServer, and the address. Unlike Connect it asks nothing yet, and the engine
// may be in no swarm, or a worker. The caller closes it.
//
// An engine over ssh is reached by a program that knows no deadline while it connects:
// who waits for an answer has to give up by himself.
func Reach(name string) (api *client.Client, where string, err error) {
	w, err := wayTo(name)
	if err != nil {
		return nil, "", err
	}
	transport := &http.Transport{MaxIdleConns: 6, IdleConnTimeout: 30 * time.Second}
	options := append([]client.Opt{client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})}, w.options...)
	api, err = client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation())...)
	if err != nil {
		err = fmt.Errorf("connecting to %q: %w", name, err)
		return nil, w.where, fault.Hint(err, "expected an address like unix:///var/run/docker.sock or ssh://user@host")
	}
	if strings.HasPrefix(w.where, "ssh://") {
		transport.Proxy = nil // what is dialled is the engine itself
	}
	return api, w.where, nil
}
