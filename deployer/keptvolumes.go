package deployer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// KeptVolume is a copy of what a stack's volume held before a restore wrote into it. It is
// a volume without the stack's namespace label; these labels tell what it is.
type KeptVolume struct {
	Volume string `json:"volume"` // whose copy it is
	Name   string `json:"name"`   // its own
	NodeID string `json:"node_id"`
	Node   string `json:"node"` // host name
	// Run is the backup that was restored, At when.
	Run string    `json:"run"`
	At  time.Time `json:"at"`
}

const (
	labelKept    = "galley.kept"     // the stack
	labelKeptOf  = "galley.kept-of"  // the volume
	labelKeptRun = "galley.kept-run" // the run that was restored
)

// KeptName is the name of the copy of a volume that a restore makes which begins then.
func KeptName(volume string, at time.Time) string {
	return volume + "_before_" + at.UTC().Format("20060102T150405Z")
}

// KeepVolume makes the empty volume for a copy, by the driver and on the node of the
// other.
func (e *Engine) KeepVolume(ctx context.Context, stack string, k KeptVolume) error {
	return e.onNode(ctx, k.NodeID, k.Node, func(ctx context.Context, api *client.Client) error {
		_, err := api.VolumeCreate(ctx, volume.CreateOptions{
			Name: k.Name, Labels: map[string]string{labelKept: stack, labelKeptOf: k.Volume, labelKeptRun: k.Run},
		})
		if err != nil {
			return fmt.Errorf("making volume %q on node %q: %w", k.Name, k.Node, err)
		}
		return nil
	})
}

// MakeVolume makes a stack's volume on a node, as its tasks would.
func (e *Engine) MakeVolume(ctx context.Context, stack, nodeID string, v Volume) error {
	return e.onNode(ctx, nodeID, nodeID, func(ctx context.Context, api *client.Client) error {
		options := v.Options
		options.Name = v.Name
		options.Labels = maps.Clone(options.Labels)
		if options.Labels == nil {
			options.Labels = map[string]string{}
		}
		if !v.External {
			options.Labels[NamespaceLabel] = stack
		}
		if _, err := api.VolumeCreate(ctx, options); err != nil {
			return fmt.Errorf("making volume %q: %w", v.Name, err)
		}
		return nil
	})
}

// RemoveVolume removes a volume from a node. One that is not there is no error.
func (e *Engine) RemoveVolume(ctx context.Context, nodeID, name string) error {
	return e.onNode(ctx, nodeID, nodeID, func(ctx context.Context, api *client.Client) error {
		if err := removeVolume(ctx, api, name); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing volume %q: %w", name, err)
		}
		return nil
	})
}

// onNode asks a node's own engine for something that a request does.
func (e *Engine) onNode(ctx context.Context, nodeID, host string, do func(context.Context, *client.Client) error) error {
	if e.at(nodeID) == nil {
		if _, err := e.survey(ctx); err != nil {
			return err
		}
	}
	api := e.at(nodeID)
	if api == nil {
		return fault.New(fault.Unavailable, "node %q cannot be reached: %s", host, e.notReached(host))
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return do(ctx, api)
}

// KeptVolumes lists the copies that restores of a stack have made, on all nodes that can
// be asked, newest first.
func (e *Engine) KeptVolumes(ctx context.Context, stack string) ([]KeptVolume, error) {
	nodes, err := e.lookOnNodes(ctx, stack)
	if err != nil {
		return nil, err
	}
	kept := []KeptVolume{}
	for _, n := range nodes {
		kept = append(kept, n.kept(stack)...)
	}
	slices.SortFunc(kept, func(a, b KeptVolume) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node))
	})
	return kept, nil
}

// kept are a stack's copies on the node.
func (n *nodeVolumes) kept(stack string) []KeptVolume {
	var kept []KeptVolume
	for _, v := range n.volumes {
		if v.Labels[labelKept] == stack {
			at, _ := time.Parse(time.RFC3339, v.CreatedAt)
			kept = append(kept, KeptVolume{Volume: v.Labels[labelKeptOf], Name: v.Name, NodeID: n.id, Node: n.name, Run: v.Labels[labelKeptRun], At: at})
		}
	}
	return kept
}
