package deployer

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/localregistry"
)

var shellOnce struct {
	sync.Once
	image catalogue.Image
	err   error
}

// shellImage is an image with a shell, in the lab's registry.
func (l *lab) shellImage(t *testing.T) catalogue.Image {
	t.Helper()
	shellOnce.Do(func() { shellOnce.image, shellOnce.err = l.pushShell() })
	if errors.Is(shellOnce.err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skip(shellOnce.err)
	}
	if shellOnce.err != nil {
		t.Fatal(shellOnce.err)
	}
	return shellOnce.image
}

func (l *lab) pushShell() (catalogue.Image, error) {
	platform := "linux/" + l.node.Arch()
	img, err := localregistry.ShellImage(platform, nil)
	if err != nil {
		return catalogue.Image{}, err
	}
	return l.pushIndex("shell:1", platform, img)
}

// shellCompose is a stack to reach into: app has a shell, a volume, a config, a
// secret and a tmpfs; sealed has a shell and a read-only root; bare has no shell.
const shellCompose = `
services:
  app:
    image: SHELL
    stop_grace_period: 1s
    environment: {KIND: shell}
    volumes: ["data:/data", {type: tmpfs, target: /scratch}]
    configs: [{source: conf, target: /settings/conf}]
    secrets: [key]
    deploy: {update_config: {monitor: 1s}}
  sealed:
    image: SHELL
    read_only: true
    user: "1000"
    stop_grace_period: 1s
    deploy: {update_config: {monitor: 1s}}
  bare:
    image: APP:1
    stop_grace_period: 1s
    deploy: {replicas: 2, update_config: {monitor: 1s}}
configs:
  conf: {file: ./conf.txt, name: "${STACK_NAME}_conf_${CONF_VERSION}"}
secrets:
  key: {external: true, name: "${STACK_NAME}_key_v1"}
volumes:
  data: {}
`

// shellStack deploys a stack to reach into.
func (r *rig) shellStack() {
	r.t.Helper()
	image := r.lab.shellImage(r.t)
	r.images = append(r.images[:len(r.images):len(r.images)], image)
	if err := r.CreateSecret(r.t.Context(), r.stack, r.stack+"_key_v1", []byte("hunter2")); err != nil {
		r.t.Fatal(err)
	}
	r.converges(r.desired("1.0.0+1", strings.ReplaceAll(shellCompose, "SHELL", r.lab.registry.Addr+"/shell:1")))
}

func (r *rig) inside(service string, slot int) *Container {
	r.t.Helper()
	c, err := r.Inside(r.t.Context(), r.stack, service, slot)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// runs runs a command in a service's container and gives its output and code.
func (r *rig) runs(service, stdin string, o ExecOptions, command ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	var out, errs bytes.Buffer
	o.Command, o.Stdout, o.Stderr = command, &out, &errs
	if stdin != "" {
		o.Stdin = strings.NewReader(stdin)
	}
	code, err := r.inside(service, 0).Exec(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return out.String(), errs.String(), code
}
