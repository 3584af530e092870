package deployer

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/mount"
)

// TestIsolate holds that a trial can write to nothing that is not its own: not to volumes
// that an app shares, has on another machine, or names itself, nor to folders of the node.
func TestIsolate(t *testing.T) {
	d := wantStack(t, `
services:
  app:
    image: app:1
    networks: [internal, proxy]
    ports: ["8080:80"]
    volumes:
      - data:/data
      - shared:/shared
      - named:/named
      - nfs:/nfs
      - /srv/app:/srv
      - /etc/ssl:/ssl:ro
      - /var/run/docker.sock:/var/run/docker.sock:ro
    deploy: {labels: {traefik.enable: "true", caddy: a.example.org, kind: test}}
  other:
    image: app:1
    volumes: ["shared:/shared", "/srv/app:/app", "/srv/other:/other"]
networks: {internal: {}, proxy: {external: true}}
volumes:
  data: {}
  shared: {external: true}
  named: {name: app-data}
  nfs: {driver_opts: {type: nfs, o: "addr=10.0.0.1", device: ":/export/app"}}
`, "", "1.0.0+1", "app:1")
	const stack = "web_example_org"
	renamed := d.Isolate(false)
	if want := map[string]string{"app-data": stack + "_apart0", "shared": stack + "_apart1"}; !maps.Equal(renamed, want) {
		t.Errorf("other names: %v", renamed)
	}
	for name, v := range d.Stack.Volumes {
		if v.External || v.Name != name || v.Options.Name != name || v.Options.Driver != "" || len(v.Options.DriverOpts) > 0 || v.Options.Labels[NamespaceLabel] != stack {
			t.Errorf("volume %s is %+v", name, v)
		}
	}
	for name, n := range d.Stack.Networks {
		if n.External {
			t.Errorf("network %s is somebody else's", name)
		}
		if !n.Options.Internal {
			t.Errorf("network %s leads out", name)
		}
	}
	for service, want := range map[string][]string{
		"app":   {"/data volume " + stack + "_data", "/named volume " + stack + "_apart0", "/nfs volume " + stack + "_nfs", "/shared volume " + stack + "_apart1", "/srv volume " + stack + "_folder0", "/ssl bind /etc/ssl", "/var/run/docker.sock volume " + stack + "_folder1"},
		"other": {"/app volume " + stack + "_folder0", "/other volume " + stack + "_folder2", "/shared volume " + stack + "_apart1"},
	} {
		spec := d.Stack.Services[stack+"_"+service].Spec
		var got []string
		for _, m := range spec.TaskTemplate.ContainerSpec.Mounts {
			got = append(got, m.Target+" "+string(m.Type)+" "+m.Source)
			if m.Type == mount.TypeVolume && (m.VolumeOptions.DriverConfig != nil || m.VolumeOptions.Labels[NamespaceLabel] != stack || m.BindOptions != nil) {
				t.Errorf("%s: the mount %s has %+v", service, m.Target, m.VolumeOptions)
			}
			if _, ok := d.Stack.Volumes[m.Source]; m.Type == mount.TypeVolume && !ok {
				t.Errorf("%s: volume %s is not the stack's", service, m.Source)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s mounts %q", service, got)
		}
		if service == "app" && (len(spec.EndpointSpec.Ports) > 0 || spec.Labels["traefik.enable"] != "" || spec.Labels["caddy"] != "" || spec.Labels["kind"] != "test") {
			t.Errorf("it publishes %v and is labelled %v", spec.EndpointSpec.Ports, spec.Labels)
		}
		for _, n := range spec.TaskTemplate.Networks {
			if _, ok := d.Stack.Networks[n.Target]; !ok {
				t.Errorf("%s is on network %s", service, n.Target)
			}
		}
	}
}

// TestLeadsToEngine knows the places where engines have their sockets.
func TestLeadsToEngine(t *testing.T) {
	for source, want := range map[string]bool{
		"/": true, "/var": true, "/run": true, "/run/docker.sock": true, "/var/run/../run/docker.sock": true, "/srv/engine.sock": true,
		"/etc/ssl": false, "/var/lib/app": false, "/runners": false, "/var/running": false,
	} {
		if got := leadsToEngine(source); got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}

// defaultRoute is the one to 0.0.0.0 in /proc/net/route.
var defaultRoute = regexp.MustCompile(`(?m)^\S+\s+00000000\s`)

// TestIsolatedReachesNobody looks at the routes of a trial's containers.
func TestIsolatedReachesNobody(t *testing.T) {
	r := newRig(t, "apart")
	for _, egress := range []bool{true, false} {
		d := r.desired("1.0.0+1", compose("1"))
		d.Isolate(egress)
		r.converges(d)
		r.serves()
		routes, errs, code := r.runs("app", "", ExecOptions{}, "/app", "routes")
		if code != 0 {
			t.Fatalf("code %d: %s", code, errs)
		}
		if out := defaultRoute.MatchString(routes); out != egress {
			t.Errorf("egress %t, and its routes are\n%s", egress, routes)
		}
		if _, err := r.Undeploy(t.Context(), r.stack, nil); err != nil {
			t.Fatal(err)
		}
	}
}
