package registry

import (
	"reflect"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/localregistry"
)

func TestEstimateSendsNothing(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	index := localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64")
	digest := reg.PushT(t, "web:1", index)
	reg.PushT(t, "web:2", localregistry.TinyT(t, "two"))
	dir := t.TempDir()
	filling := resolverFor(t, func(o *Options) { o.CacheDir = dir })
	resolve(t, filling, reg.Addr+"/web:1")
	resolve(t, filling, reg.Addr+"/web@"+digest)
	refs := []string{
		reg.Addr + "/web:1", reg.Addr + "/web@" + digest, // seen
		reg.Addr + "/web:2", reg.Addr + "/other:1", reg.Addr + "/other:1", // new
		reg.Addr + "/web@" + digestOfNothing, // pinned and new
		"nginx:1", "docker.io/library/nginx:1", "Not A Reference", "untagged",
	}
	tests := map[string]struct {
		learned time.Duration
		refs    []string
		want    []HostEstimate
	}{
		"asking for all": {0, refs, []HostEstimate{
			{Host: reg.Addr, References: 5, Heads: 5, New: 2, Gets: 6, GetsMost: -1, Repositories: 2},
			{Host: "docker.io", References: 1, Heads: 1, New: 1, Gets: 2, GetsMost: -1, Repositories: 1},
		}},
		"with learned answers": {time.Hour, refs[:3], []HostEstimate{
			{Host: reg.Addr, References: 3, Learned: 2, Heads: 1, New: 1, Gets: 2, GetsMost: -1, Repositories: 1},
		}},
		"all learned":         {time.Hour, refs[:2], []HostEstimate{{Host: reg.Addr, References: 2, Learned: 2}}},
		"a digest that's had": {0, refs[1:2], []HostEstimate{{Host: reg.Addr, References: 1, Heads: 1, Repositories: 1}}},
		"nothing":             {0, nil, nil},
	}
	reg.ResetCount()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := resolverFor(t, func(o *Options) { o.CacheDir, o.Learned = dir, tt.learned })
			if got := r.Estimate(t.Context(), tt.refs); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
	if n := len(reg.Requests()); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestEstimateIsWhatIsSent(t *testing.T) {
	reg := localregistry.StartT(t)
	refs := []string{reg.Addr + "/web:1", reg.Addr + "/plain:1"}
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
	reg.PushT(t, "plain:1", localregistry.TinyT(t, "plain"))
	reg.PushT(t, "library/web:1", localregistry.TinyT(t, "hub"))
	r := resolverFor(t, func(o *Options) {
		o.CacheDir = t.TempDir()
		o.Rewrites = map[string]string{"docker.io": reg.Addr}
	})
	for range 2 { // cold, and with everything seen
		e := r.Estimate(t.Context(), append(refs, "docker.io/web:1"))[0]
		before := r.Stats()
		r.ResolveAll(t.Context(), append(refs, "docker.io/web:1"), nil)
		after := r.Stats()
		heads, gets := int(after.Heads-before.Heads), int(after.Gets-before.Gets)
		if e.References != 3 || heads != e.Heads || gets < e.Gets || gets > 0 && e.Gets == 0 {
			t.Errorf("%+v, and sent were %d HEADs and %d GETs", e, heads, gets)
		}
	}
}
