package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
)

// TestAdmission: a swarm knows its own nodes, takes none that is in another swarm, and
// its join token is in nothing that is printed. That a machine joins is shown by
// .ci/bare.
func TestAdmission(t *testing.T) {
	e := shared.Get(t)
	t.Setenv("DOCKER_HOST", "unix://"+e.Socket())
	manager, err := deployer.Connect(t.Context(), deployer.DefaultServer)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	for _, asManager := range []bool{false, true} {
		admission, err := manager.Admission(t.Context(), asManager)
		if err != nil {
			t.Fatal(err)
		}
		if len(admission.Managers()) != 1 {
			t.Errorf("ways into the swarm: %q, want one", admission.Managers())
		}
		if said := fmt.Sprintf("%v %+v %#v %s", admission, admission, admission, []any{admission}); strings.Contains(said, "SWMTKN") {
			t.Errorf("printed with its token: %s", said)
		}
		own := visit(t, e)
		is, err := admission.Member(t.Context(), own)
		if err != nil || !is.Member || !is.Manager || is.NodeID != manager.NodeID {
			t.Errorf("its own manager is %+v, %v", is, err)
		}
	}
	admission, err := manager.Admission(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	other := visit(t, engine.StartT(t, engine.Options{Swarm: true}))
	is, err := admission.Member(t.Context(), other)
	failsWith(t, err, fault.Unavailable, "is in another swarm", "docker swarm leave")
	if is.Member {
		t.Error("taken for a member")
	}
}

func visit(t *testing.T, e *engine.Engine) *deployer.Guest {
	t.Helper()
	guest, err := deployer.Visit(t.Context(), "unix://"+e.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guest.Close() })
	return guest
}
