package deployer

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/galley-coop/galley/internal/fault"
)

// Archive is a file or folder of the container as the engine's own tar stream, whose
// entries are named from the path's last element on. It has no user.* attributes, and
// holes are filled: for what lies in a volume, Carrier does better. A path that is not
// there, or that an engine shows empty (secrets, configs, tmpfs), is an error.
func (c *Container) Archive(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := c.refuseHidden(path); err != nil {
		return nil, err
	}
	stream, _, err := c.api.CopyFromContainer(ctx, c.ID, path)
	if errdefs.IsNotFound(err) {
		return nil, fault.New(fault.Unavailable, "service %q has no %q in its container", c.Service, path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q in service %q: %w", path, c.Service, err)
	}
	return stream, nil
}

// Unarchive unpacks a tar stream in a folder of the container, with owners and modes.
func (c *Container) Unarchive(ctx context.Context, dir string, in io.Reader) error {
	if err := c.refuseHidden(dir); err != nil {
		return err
	}
	if err := c.api.CopyToContainer(ctx, c.ID, dir, in, container.CopyToContainerOptions{CopyUIDGID: true}); err != nil {
		return fmt.Errorf("writing %q in service %q: %w", dir, c.Service, err)
	}
	return nil
}
