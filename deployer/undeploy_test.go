package deployer

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"github.com/galley-coop/galley/internal/fault"
)

func withSecret(text string) string {
	text = strings.Replace(text, "    configs: [", "    secrets: [key]\n    configs: [", 1)
	return text + "secrets:\n  key: {external: true, name: \"${STACK_NAME}_key_${SECRET_KEY_VERSION}\"}\n"
}

func TestSecrets(t *testing.T) {
	r := newRig(t, "secrets")
	d := r.desired("1.0.0+1", withSecret(compose("1")), "SECRET_KEY_VERSION", "v1")
	name := r.stack + "_key_v1"
	if _, err := r.Deploy(t.Context(), d, nil, DeployOptions{}); err == nil || !strings.Contains(err.Error(), "secret not generated: "+name) {
		t.Errorf("%v, want the missing secret", err)
	}
	if left := r.inventory(t.Context()); len(left) > 0 {
		t.Errorf("the refused deploy left %q", left)
	}
	for _, size := range []int{0, maxSecret + 1} {
		if err := r.CreateSecret(t.Context(), r.stack, name, make([]byte, size)); fault.KindOf(err) != fault.Usage {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if err := r.CreateSecret(t.Context(), r.stack, name, make([]byte, maxSecret)); err != nil {
		t.Fatalf("the largest secret: %v", err)
	}
	err := r.CreateSecret(t.Context(), r.stack, name, []byte("hunter2"))
	if err == nil || !strings.Contains(err.Error(), "exists already") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("creating it again: %v", err)
	}
	if err := r.CreateSecret(t.Context(), r.stack, "no name", []byte("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad name: %v", err)
	}
	states, err := r.Secrets(t.Context(), d)
	if err != nil || len(states) != 1 || !states[0].Exists || states[0].Name != name || len(states[0].UsedBy) != 0 {
		t.Fatalf("%+v (%v)", states, err)
	}
	r.converges(d)
	states, err = r.Secrets(t.Context(), d)
	if err != nil || len(states) != 1 || strings.Join(states[0].UsedBy, " ") != r.stack+"_app" {
		t.Fatalf("%+v (%v)", states, err)
	}
	if err := r.RemoveSecret(t.Context(), states[0]); err == nil || !strings.Contains(err.Error(), "is used by "+r.stack+"_app") {
		t.Errorf("removing it while it is used: %v", err)
	}

	t.Log("undeploy")
	r.undeploys(name)
	if states, err = r.Secrets(t.Context(), d); err != nil || !states[0].Exists {
		t.Fatalf("%+v (%v)", states, err)
	}
	if err := r.RemoveSecret(t.Context(), states[0]); err != nil {
		t.Error(err)
	}
	if states, err = r.Secrets(t.Context(), d); err != nil || states[0].Exists {
		t.Errorf("%+v (%v)", states, err)
	}
}

// undeploys removes the stack and checks what is left of it.
func (r *rig) undeploys(secret string) {
	r.t.Helper()
	var said []string
	left, err := r.Undeploy(r.t.Context(), r.stack, func(e Event) { said = append(said, e.Message) })
	if err != nil {
		r.t.Fatal(err)
	}
	want := Left{
		Services: []string{r.stack + "_app"}, Configs: []string{r.stack + "_conf_v1"}, Networks: []string{r.stack + "_internal"},
		Volumes: []string{r.stack + "_data"}, Elsewhere: []VolumeAt{}, Secrets: []string{secret},
	}
	if string(asJSON(r.t, left)) != string(asJSON(r.t, want)) {
		r.t.Errorf("left %s, want %s", asJSON(r.t, left), asJSON(r.t, want))
	}
	if len(said) != 3 {
		r.t.Errorf("it said %q", said)
	}
	for _, line := range r.inventory(r.t.Context()) {
		if !strings.HasPrefix(line, "volume ") && !strings.HasPrefix(line, "secret ") && !strings.Contains(line, "galley_history_") {
			r.t.Errorf("%s is left", line)
		}
	}
	if record := r.lastRecord(); record.Reason != "undeployed" {
		r.t.Errorf("the record says %+v", record)
	}
	if _, err := r.Undeploy(r.t.Context(), r.stack, nil); err == nil || !strings.Contains(err.Error(), "there is no stack") {
		r.t.Errorf("undeploying it again: %v", err)
	}
}

func TestForget(t *testing.T) {
	r := newRig(t, "forget")
	r.converges(r.desired("1.0.0+1", compose("1")))
	if err := r.Forget(t.Context(), r.stack); err == nil || !strings.Contains(err.Error(), "undeploy it first") {
		t.Errorf("forgetting what runs: %v", err)
	}
	if _, err := r.Undeploy(t.Context(), r.stack, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Forget(t.Context(), r.stack); err != nil {
		t.Fatal(err)
	}
	if left := r.inventory(t.Context()); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

func TestHistoryKeepsTheLast(t *testing.T) {
	r := newRig(t, "history")
	for i := range KeptRecords + 2 {
		if err := r.remember(t.Context(), r.stack, Record{To: "1", Changed: i, Catalogue: CatalogueMark{Fingerprint: r.stack, Timestamp: int64(i), Snapshot: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	records, err := r.History(t.Context(), r.stack)
	if err != nil || len(records) != KeptRecords {
		t.Fatalf("%d records (%v), want %d", len(records), err, KeptRecords)
	}
	if !slices.IsSortedFunc(records, func(a, b Record) int { return a.Number - b.Number }) || records[0].Number != 3 || records[0].Changed != 2 {
		t.Errorf("the first record is %+v, want number 3", records[0])
	}
	seen, err := r.Seen(t.Context(), CatalogueMark{Fingerprint: r.stack, TimestampSigners: "new"})
	if err != nil || seen.Timestamp != KeptRecords+1 || seen.Snapshot != 7 {
		t.Errorf("seen %+v (%v)", seen, err)
	}
}

func TestForgetImages(t *testing.T) {
	r := newRig(t, "images")
	pushed, err := r.lab.push("forget/me", "1", "forget")
	if err != nil {
		t.Fatal(err)
	}
	r.images = append(slices.Clone(r.images), pushed)
	r.converges(r.desired("1.0.0+1", strings.Replace(compose("1"), "APP:1", r.lab.registry.Addr+"/forget/me:1", 1)))
	if _, err := r.Undeploy(t.Context(), r.stack, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.ForgetImages(t.Context(), "seed=forget"); err != nil {
		t.Fatal(err)
	}
	images, err := r.api.ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		for _, ref := range append(i.RepoTags, i.RepoDigests...) {
			if strings.Contains(ref, "/forget/") {
				t.Errorf("%s is left", ref)
			}
		}
	}
}
