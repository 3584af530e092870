package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/internal/fault"
)

// inside is where a helper sees the volume that it works on.
const inside = "/volume"

// storeVolume stores a volume from every node that counts: the nodes where running tasks
// mount it, else those that have it.
func (c *creation) storeVolume(ctx context.Context, v ScopeVolume) ([]Part, error) {
	places := c.placesOf(v.Name)
	if err := c.outOfReach[v.Name]; err != nil && (len(places) == 0 || !places[0].Used) {
		return nil, err
	}
	if len(places) == 0 {
		err := fault.New(fault.Unavailable, "no node that can be asked has the volume %q", v.Name)
		return nil, fault.Hint(err, "is its node down? galley server check tells; galley app volume ls lists where volumes are")
	}
	var parts []Part
	for _, place := range places {
		part := Part{Kind: KindVolume, Name: v.Key, Volume: v.Name, Node: place.Node, Paths: v.Paths}
		if len(places) > 1 { // each node has one of its own
			part.Name += "@" + place.Node
		}
		if err := c.storeVolumeAt(ctx, &part, place.NodeID); err != nil {
			return nil, fmt.Errorf("backing up volume %q of node %q: %w", v.Name, place.Node, err)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func (c *creation) storeVolumeAt(ctx context.Context, part *Part, nodeID string) error {
	helper, err := c.carrier(ctx, nodeID)
	if err != nil {
		return err
	}
	passed := newMeter(c.Report, "store", part)
	err = c.Repository.takePart(ctx, &c.manifest, part, func(w io.Writer) (carrier.Summary, error) {
		return pack(ctx, helper, c.App.Stack, part, passed.through(w))
	})
	if err == nil {
		passed.finish()
	}
	return err
}

// placesOf are the nodes whose copy of a volume is backed up. One with options is a place
// elsewhere that all nodes share, such as NFS: one of them is enough.
func (c *creation) placesOf(volume string) []deployer.VolumePlace {
	all := c.places[volume]
	var used []deployer.VolumePlace
	for _, p := range all {
		if p.Used {
			used = append(used, p)
		}
	}
	if len(used) == 0 {
		used = all
	}
	if len(used) > 1 && (used[0].Driver != "local" || len(used[0].Options) > 0) {
		used = used[:1]
	}
	return used
}

func (c *creation) carrier(ctx context.Context, nodeID string) (*deployer.Carrier, error) {
	if known := c.carriers[nodeID]; known != nil {
		return known, nil
	}
	made, err := c.engine.Carrier(ctx, nodeID)
	if err == nil {
		c.carriers[nodeID] = made
	}
	return made, err
}

// pack has a helper write a volume's tar to w, and tells what it says that it wrote.
func pack(ctx context.Context, helper *deployer.Carrier, stack string, p *Part, w io.Writer) (carrier.Summary, error) {
	said := &lastOutput{}
	code, err := helper.Run(ctx, deployer.CarryOptions{
		Stack: stack, Args: append([]string{"pack", inside}, p.Paths...), Stdout: w, Shortcut: true, Log: said,
		Volumes: []deployer.CarryVolume{{Name: p.Volume, Target: inside, ReadOnly: true}},
	})
	if err != nil {
		return carrier.Summary{}, err
	}
	summary, err := summaryOf(code, said)
	if err != nil {
		return summary, err
	}
	p.Content, p.Files, p.Skipped = summary.Content, summary.Files, summary.Skipped
	if len(p.Paths) > 0 && p.Content == 0 {
		err = fault.New(fault.Unavailable, "%s in volume %q holds nothing: what should have written it did not", strings.Join(p.Paths, ", "), p.Volume)
	}
	return summary, err
}

// summaryOf reads how a helper's work ended.
func summaryOf(code int, said *lastOutput) (carrier.Summary, error) {
	var summary carrier.Summary
	if code != 0 {
		return summary, fmt.Errorf("the helper ended with %d: %s", code, said)
	}
	if err := json.Unmarshal(said.buf.Bytes(), &summary); err != nil {
		return summary, fmt.Errorf("the helper did not say what it did: %s", said)
	}
	return summary, nil
}

// storePath stores a path of a container that lies in no volume, as the engine gives it.
func (c *creation) storePath(ctx context.Context, p ScopePath) (Part, error) {
	part := Part{Kind: KindPath, Name: p.Path, Service: p.Service}
	in, err := c.engine.Inside(ctx, c.App.Stack, p.Service, 0)
	if err == nil {
		if was := c.hooked[p.Service]; was != nil {
			in = was // where the hook wrote it
		}
		part.Node = in.Node
		err = c.storePart(ctx, &part, func(w io.Writer) error { return storeArchive(ctx, in, &part, w) })
	}
	if err != nil {
		err = fmt.Errorf("backing up %q of service %q: %w", p.Path, p.Service, err)
	}
	return part, err
}

func storeArchive(ctx context.Context, in *deployer.Container, part *Part, w io.Writer) error {
	stream, err := in.Archive(ctx, part.Name)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := countTar(io.TeeReader(stream, w), part); err != nil {
		return err
	}
	if part.Content == 0 {
		return fault.New(fault.Unavailable, "it holds nothing: what should have written it did not")
	}
	return nil
}

// countTar reads a tar stream to its end, and what fills it up behind it.
func countTar(in io.Reader, p *Part) error {
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, in)
			return err
		}
		if err != nil {
			return fmt.Errorf("reading the engine's archive: %w", err)
		}
		p.Files++
		if header.Typeflag == tar.TypeReg {
			p.Content += header.Size
		}
	}
}

// readSecrets reads the values of the secrets that services are given, as a secrets part
// has them; nil for none.
func (c *creation) readSecrets(ctx context.Context) ([]byte, error) {
	switch {
	case len(c.scope.Secrets) == 0:
		return nil, nil
	case c.WithoutSecrets:
		c.manifest.Secrets = SecretsLeftOut
		return nil, nil
	}
	c.say("read", "", "reading secrets in a task of their own: %d", len(c.scope.Secrets))
	values, err := c.engine.SecretValues(ctx, c.App.Stack, c.scope.Secrets)
	if err != nil {
		return nil, fault.Hint(err, "--without-secrets backs up the rest; the app cannot be restored from that once its secrets are lost")
	}
	data, err := json.Marshal(secretsFile{Format: 1, Stack: c.App.Stack, Values: values})
	if err != nil {
		return nil, errors.New("writing down the secrets: they are no JSON") // its own text may hold one
	}
	c.manifest.Secrets = SecretsIncluded
	return data, nil
}

// secretsFile is what a secrets part holds: values by name on the swarm.
type secretsFile struct {
	Format int               `json:"format"`
	Stack  string            `json:"stack"`
	Values map[string][]byte `json:"values"`
}

// storeSmall stores the secrets, nil for none, and the env file as it stands now.
func (c *creation) storeSmall(ctx context.Context, secrets []byte) ([]Part, error) {
	env, err := os.ReadFile(c.App.Path)
	if err != nil {
		return nil, fmt.Errorf("backing up the env file: %w", err)
	}
	var parts []Part
	store := func(part Part, data []byte) error {
		part.Content = int64(len(data))
		err := c.storePart(ctx, &part, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		parts = append(parts, part)
		return err
	}
	if secrets != nil {
		if err := store(Part{Kind: KindSecrets, Name: "secrets.json", Files: int64(len(c.scope.Secrets))}, secrets); err != nil {
			return nil, err
		}
	}
	err = store(Part{Kind: KindEnv, Name: filepath.Base(c.App.Path), Files: 1}, env)
	return parts, err
}

// seal stores the manifest, and with it the run is one.
func (c *creation) seal(ctx context.Context) error {
	c.manifest.Ended = time.Now().UTC().Truncate(time.Second)
	return c.Repository.StoreManifest(ctx, &c.manifest)
}

// storePart stores what write writes as a part of the run, and tells of it.
func (c *creation) storePart(ctx context.Context, part *Part, write func(io.Writer) error) error {
	passed := newMeter(c.Report, "store", part)
	err := c.Repository.StorePart(ctx, &c.manifest, part, func(w io.Writer) error { return write(passed.through(w)) })
	if err == nil {
		passed.finish()
	}
	return err
}

// meter counts what is written through it, and tells.
type meter struct {
	w           io.Writer
	n           int64
	stage, part string
	report      func(Progress)
	began, told time.Time
}

// tellEvery is how often a stream's progress is told.
const tellEvery = 500 * time.Millisecond

// newMeter begins a part, and tells so.
func newMeter(report func(Progress), stage string, p *Part) *meter {
	m := &meter{stage: stage, part: string(p.Kind) + " " + p.Name, report: report, began: time.Now()}
	m.tell(false)
	return m
}

// through makes w the one that is written to.
func (m *meter) through(w io.Writer) *meter {
	m.w = w
	return m
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	if now := time.Now(); now.Sub(m.told) > tellEvery {
		m.told = now
		m.tell(false)
	}
	return n, err
}

func (m *meter) finish() { m.tell(true) }

func (m *meter) tell(done bool) {
	if m.report != nil {
		m.report(Progress{Stage: m.stage, Part: m.part, Bytes: m.n, Elapsed: time.Since(m.began), Done: done})
	}
}
