package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/galley-coop/galley/internal/fault"
)

// Ping asks whether a registry is there, without credentials: one that wants some is.
// host is as references have it (Reference.Domain), with its port. The errors are
// fault.Unavailable and say in one line why it is not.
func (r *Resolver) Ping(ctx context.Context, host string) error {
	var opts []name.Option
	if slices.Contains(r.opts.Insecure, host) {
		opts = append(opts, name.Insecure)
	}
	registry, err := name.NewRegistry(host, opts...)
	if err != nil {
		return fault.New(fault.Usage, "%q is no registry's host", host)
	}
	if _, err = transport.Ping(ctx, registry, r.wire); err == nil {
		return nil
	}
	if ctx.Err() == context.Canceled {
		return fault.Wrap(fault.Interrupted, fmt.Errorf("asking registry %s: %w", host, context.Canceled))
	}
	why := classify(err).Err
	advice := ""
	if c := (*cause)(nil); errors.As(why, &c) {
		advice = c.advice
	}
	return fault.Hint(fmt.Errorf("registry %s %w", host, why), "%s", cmp.Or(advice, "check the network and the registry's status"))
}
