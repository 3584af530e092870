package deployer

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/localregistry"
)

func TestEncodeAuth(t *testing.T) {
	if auth, err := EncodeAuth("", "", "", "", "registry.example.org"); auth != "" || err != nil {
		t.Errorf("nothing to encode: %q (%v)", auth, err)
	}
	const want = "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJodW50ZXIyIiwic2VydmVyYWRkcmVzcyI6InJlZ2lzdHJ5LmV4YW1wbGUub3JnIn0="
	if auth, err := EncodeAuth("me", "hunter2", "", "", "registry.example.org"); auth != want || err != nil {
		t.Errorf("%q (%v), want %q", auth, err, want)
	}
}

// privateImage puts the app into a registry that asks for credentials.
func (r *rig) privateImage(user, password string) (*localregistry.Registry, catalogue.Image) {
	r.t.Helper()
	private := localregistry.StartT(r.t, localregistry.WithAddr(r.lab.node.BridgeAddr()+":0"), localregistry.WithBasicAuth(user, password))
	platform := "linux/" + r.lab.node.Arch()
	img, err := localregistry.BinaryImage(r.lab.binary, platform, func(c *v1.Config) { c.Labels = map[string]string{"seed": r.stack} })
	if err != nil {
		r.t.Fatal(err)
	}
	digest := private.PushT(r.t, "app:1", img)
	config, err := img.ConfigName()
	if err != nil {
		r.t.Fatal(err)
	}
	return private, catalogue.Image{
		Reference: private.Addr + "/app:1", Digest: digest,
		Platforms: []catalogue.Platform{{Platform: platform, Manifest: digest, Config: config.String()}},
	}
}

func TestPrivateRegistry(t *testing.T) {
	r := newRig(t, "private")
	private, image := r.privateImage("me", "hunter2")
	r.images = []catalogue.Image{image}
	d := r.desired("1.0.0+1", compose("1", "APP:1", private.Addr+"/app:1"))
	asked := ""
	o := r.deploy(d, func(o *DeployOptions) {
		o.Credentials = func(reference string) (string, error) {
			asked = reference
			return EncodeAuth("me", "hunter2", "", "", private.Addr)
		}
	})
	r.ends(o, Converged, StateNew)
	if want := private.Addr + "/app:1@" + image.Digest; asked != want {
		t.Errorf("asked for the login of %q, want %q", asked, want)
	}
}
