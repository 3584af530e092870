package soak

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	dockerimage "github.com/docker/docker/api/types/image"
)

// playRegistry lets the registry do harm while the image is pulled; before, the
// node forgets the image.
func (a *app) playRegistry(ctx context.Context, r *ran) error {
	if err := a.forgetImages(ctx, r.step.target); err != nil {
		return err
	}
	how := hangsUp
	if r.step.fault == spoiled {
		how = spoils
	}
	absent, err := a.absent(ctx, r.step.target)
	if err != nil {
		return err
	}
	a.pulls.set(a.recipe, how)
	defer a.pulls.heal(a.recipe)
	p, err := a.deploy(ctx, invocation{}, r.step.target)
	if err != nil {
		return err
	}
	if absent {
		r.acted = time.Now()
	}
	if r.step.fault == registryDown {
		select {
		case <-p.ended:
		case <-time.After(r.step.last * 2):
			a.pulls.heal(a.recipe)
		}
	}
	return r.end(p)
}

// forgetImages takes the images of a version from the node, so that they must be
// pulled. That of a container that runs stays: then the fault changes nothing.
func (a *app) forgetImages(ctx context.Context, v version) error {
	for _, s := range v.services {
		i := a.images[a.recipe+":"+s.tag]
		_, _ = a.api.ImageRemove(ctx, i.config, dockerimage.RemoveOptions{Force: true, PruneChildren: true})
	}
	return ctx.Err()
}

// absent tells whether the node lacks an image of a version.
func (a *app) absent(ctx context.Context, v version) (bool, error) {
	for _, s := range v.services {
		_, err := a.api.ImageInspect(ctx, a.images[a.recipe+":"+s.tag].config)
		if errdefs.IsNotFound(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// playTampered deploys from a copy of the catalogue with a bit flipped in each file
// of one kind, as a machine that read no catalogue before.
func (a *app) playTampered(ctx context.Context, r *ran) error {
	home, err := a.secondHome("tampered")
	if err != nil {
		return err
	}
	public := filepath.Join(home, "public")
	if err := os.CopyFS(public, os.DirFS(a.public())); err != nil {
		return err
	}
	kinds := []string{"metadata/timestamp.json", "metadata/*snapshot.json", "v1/recipes/*", "v1/bundles/*"}
	kind := kinds[r.step.pick%len(kinds)]
	flipped := 0
	err = filepath.WalkDir(public, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(public, path)
		if err != nil {
			return err
		}
		if ok, err := filepath.Match(kind, name); !ok || err != nil {
			return err
		}
		flipped++
		return flip(path)
	})
	if err != nil {
		return err
	}
	r.note = fmt.Sprintf("a bit flipped in each of %d files %s", flipped, kind)
	if flipped == 0 {
		return fmt.Errorf("the catalogue has no file %s", kind)
	}
	r.acted, r.envs[home] = time.Now(), a.version(home)
	return a.playOne(ctx, r, invocation{home: home, env: []string{"GALLEY_CATALOGUE=" + public}})
}

func flip(path string) error {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(path, data, 0o644)
}
