package registry

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// said is a Drift in a line.
func said(d Drift) string {
	s := d.State.String()
	if !d.Available {
		s += ", published digest not available"
	}
	for _, p := range d.Added {
		s += " +" + p.String()
	}
	for _, p := range d.Removed {
		s += " -" + p.String()
	}
	return s
}

func TestDrift(t *testing.T) {
	var missing atomic.Value // what the registry says it does not have
	missing.Store("nothing")
	reg := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		return strings.HasSuffix(req.URL.Path, missing.Load().(string)) && status(http.StatusNotFound)(w, req)
	}))
	published := localregistry.TinyT(t, "one", "linux/amd64", "linux/arm64")
	digest := reg.PushT(t, "web:1", published)
	tests := []struct {
		name        string
		missing     string
		now         localregistry.Manifest
		heads, gets int
		want        string
	}{
		{"unchanged", "nothing", published, 1, 0, "unchanged"},
		{"moved", "nothing", localregistry.TinyT(t, "two", "linux/amd64", "linux/arm64"), 2, 3, "moved"},
		{"moved, and seen before", "nothing", localregistry.TinyT(t, "two", "linux/amd64", "linux/arm64"), 2, 0, "moved"},
		{"platforms", "nothing", localregistry.TinyT(t, "three", "linux/amd64", "linux/arm/v7"), 2, 3, "moved +linux/arm/v7 -linux/arm64"},
		{"moved to a plain image", "nothing", localregistry.TinyT(t, "four"), 2, 2, "moved -linux/arm64"},
		{"moved and cleaned up", digest, localregistry.TinyT(t, "four"), 2, 0, "moved, published digest not available -linux/arm64"},
		{"gone", "/manifests/1", published, 2, 0, "gone"},
		{"the repository gone", "", published, 2, 0, "gone, published digest not available"},
	}
	r := resolverFor(t, func(o *Options) { o.Learned = time.Hour })
	before := resolve(t, r, reg.Addr+"/web:1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg.PushT(t, "web:1", tt.now)
			missing.Store(tt.missing)
			was := r.Stats()
			got, err := r.Check(t.Context(), before)
			if err != nil || said(got) != tt.want {
				t.Errorf("%q, %v, want %q", said(got), err, tt.want)
			}
			if got.Published != digest || got.Reference != reg.Addr+"/web:1" || (got.Now == "") != (got.State == Gone) {
				t.Errorf("%+v is not about %s", got, digest)
			}
			now := r.Stats()
			if heads, gets := int(now.Heads-was.Heads), int(now.Gets-was.Gets); heads != tt.heads || gets != tt.gets {
				t.Errorf("%d HEADs and %d GETs, want %d and %d", heads, gets, tt.heads, tt.gets)
			}
		})
	}
}

func TestDriftWithoutATag(t *testing.T) {
	reg := localregistry.StartT(t)
	digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, nil)
	img := resolve(t, r, reg.Addr+"/web@"+digest)
	if got, err := r.Check(t.Context(), img); err != nil || said(got) != "unchanged" {
		t.Errorf("%q, %v, want unchanged", said(got), err)
	}
	img.Digest = digestOfNothing
	if got, err := r.Check(t.Context(), img); err != nil || said(got) != "gone, published digest not available" {
		t.Errorf("%q, %v, want gone", said(got), err)
	}
}

func TestDriftOfManyAsksOnceForEachReference(t *testing.T) {
	reg := localregistry.StartT(t)
	r := resolverFor(t, nil)
	var published []Image
	for _, seed := range []string{"one", "two"} { // two versions, one tag that moved
		reg.PushT(t, "web:1", localregistry.TinyT(t, seed))
		published = append(published, resolve(t, r, reg.Addr+"/web:1"))
	}
	reg.PushT(t, "db:1", localregistry.TinyT(t, "db"))
	published = append(published, resolve(t, r, reg.Addr+"/db:1"), Image{Reference: reg.Addr + "/Not"}, published[0])
	reg.ResetCount()
	var got []string
	for _, answer := range r.CheckAll(t.Context(), published, nil) {
		got = append(got, fmt.Sprint(said(answer.Drift), answer.Err != nil))
	}
	const nothing = ", published digest not available"
	want := []string{"moved false", "unchanged false", "unchanged false", nothing + " true", "moved false"}
	for i := range want {
		if strings.ReplaceAll(got[i], " ", "") != strings.ReplaceAll(want[i], " ", "") {
			t.Errorf("answer %d is %q, want %q", i, got[i], want[i])
		}
	}
	// Each tag once, and the digest that moved away once for each time it was published.
	if heads := reg.Count(http.MethodHead); heads != 4 {
		t.Errorf("%d HEADs, want 4", heads)
	}
}

func TestDriftThatCannotBeTold(t *testing.T) {
	reg := localregistry.StartT(t, spoil(status(http.StatusForbidden)))
	r := resolverFor(t, nil)
	_, err := r.Check(t.Context(), Image{Reference: reg.Addr + "/web:1", Digest: digestOfNothing})
	wantError(t, err, Unauthorized, fault.Unavailable)
	open := localregistry.StartT(t)
	open.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	_, err = r.Check(t.Context(), Image{Reference: open.Addr + "/web:1", Digest: "md5:12"})
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("a digest that is none: %v, want a usage error", err)
	}
}
