package deployer

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// foreignSecret is a secret as another client makes it: without a label.
func (r *rig) foreignSecret(name string) {
	r.t.Helper()
	_, err := r.api.SecretCreate(r.t.Context(), swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte("x")})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	r := newRig(t, "purge")
	if _, _, err := r.UndeployAndPurge(t.Context(), r.stack, nil, nil); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "there is nothing of the stack") {
		t.Errorf("nothing there: %v", err)
	}
	key, old, theirs := r.stack+"_key_v1", r.stack+"_key_v0", r.stack+"_shop_key_v1"
	if err := r.CreateSecret(t.Context(), r.stack, key, []byte("x")); err != nil {
		t.Fatal(err)
	}
	r.foreignSecret(old)
	r.foreignSecret(theirs)
	t.Cleanup(func() { _ = r.api.SecretRemove(r.t.Context(), theirs) })
	r.converges(r.desired("1.0.0+1", withSecret(compose("1")), "SECRET_KEY_VERSION", "v1"))
	if _, err := r.Purge(t.Context(), r.stack, nil); err == nil || !strings.Contains(err.Error(), "undeploy it first") {
		t.Errorf("purging what runs: %v", err)
	}

	t.Log("volumes, here and as they look from another node")
	volumes, err := r.Volumes(t.Context(), r.stack, true)
	if err != nil || len(volumes) != 1 {
		t.Fatalf("volumes %+v (%v)", volumes, err)
	}
	if v := volumes[0]; v.Name != r.stack+"_data" || v.Driver != "local" || v.Node == "" || !v.Observed || v.External || v.Size < 0 || !slices.Equal(v.UsedBy, []string{r.stack + "_app"}) {
		t.Errorf("volume %+v", v)
	}
	other := *r.Engine
	other.NodeID = "elsewhere"
	current, err := r.Current(t.Context(), r.stack, nil)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := other.lookOnNodes(t.Context(), r.stack)
	if err != nil || len(nodes) != 1 || nodes[0].api != nil {
		t.Fatalf("nodes %+v (%v), want one that cannot be asked", nodes, err)
	}
	if got, err := other.volumesElsewhere(t.Context(), current, nodes); err != nil || !slices.Equal(got, []VolumeAt{{Volume: r.stack + "_data", Node: volumes[0].Node}}) {
		t.Errorf("elsewhere %+v (%v)", got, err)
	}

	t.Log("purge, knowing of a stack whose name begins alike")
	others := []string{r.stack + "_shop"}
	left, purged, err := r.UndeployAndPurge(t.Context(), r.stack, others, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Services) != 1 || !slices.Equal(purged.Volumes, []string{r.stack + "_data"}) || !slices.Equal(purged.Secrets, []string{old, key}) || purged.Records != 2 || len(purged.Remains)+len(purged.NotAsked)+len(purged.Elsewhere) != 0 {
		t.Errorf("undeployed %+v, purged %+v", left, purged)
	}
	if got := r.inventory(t.Context()); len(got) != 1 || !strings.Contains(got[0], theirs) {
		t.Errorf("the engine has %q, want the other stack's secret alone", got)
	}
	if _, err := r.Volumes(t.Context(), r.stack, false); err == nil || !strings.Contains(err.Error(), "there is no stack") {
		t.Errorf("volumes of nothing: %v", err)
	}

	t.Log("what remains is named")
	r.foreignSecret(key)
	if got, err := r.Remains(t.Context(), r.stack, others); err != nil || !slices.Equal(got, []string{"secret " + key}) {
		t.Errorf("remains %q (%v)", got, err)
	}
	t.Log("purged without being deployed")
	if _, purged, err := r.UndeployAndPurge(t.Context(), r.stack, others, nil); err != nil || !slices.Equal(purged.Secrets, []string{key}) {
		t.Errorf("purged %+v (%v)", purged, err)
	}
	if err := r.api.SecretRemove(t.Context(), theirs); err != nil {
		t.Error(err)
	}
}

func TestOwners(t *testing.T) {
	known := owners{"a": true, "a_b": true}
	for _, c := range []struct {
		name, want string
		labels     map[string]string
	}{
		{"a_key_v1", "a", nil}, {"a_b_key_v1", "a_b", nil}, {"a_bc", "a", nil}, {"other_key", "", nil}, {"ab_key", "", nil},
		{"a_key_v1", "c", map[string]string{labelApp: "c"}}, {"a_key_v1", "d", map[string]string{NamespaceLabel: "d"}},
	} {
		if got := known.of(c.name, c.labels); got != c.want {
			t.Errorf("%s %v is of %q, want %q", c.name, c.labels, got, c.want)
		}
	}
}
