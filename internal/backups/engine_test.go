package backups

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s took too long", what)
		}
	}
}

func label(name string) filters.Args { return filters.NewArgs(filters.Arg("label", name)) }

// helpers are the containers and services of galley's that are there for the app.
func (a *app) helpers() []string {
	a.t.Helper()
	ctx := context.Background()
	containers, err := a.local.ContainerList(ctx, container.ListOptions{All: true, Filters: label("galley.carrier=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	services, err := a.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: label("galley.carrier=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	var names []string
	for _, c := range containers {
		names = append(names, "container "+c.State+" "+c.Command)
	}
	for _, s := range services {
		names = append(names, "service "+s.Spec.Name)
	}
	return names
}

// leavesNothing wants no helper, no lock, no journal and no unfinished restore of the
// app to be left. Containers of tasks that have ended go when swarm likes.
func (a *app) leavesNothing() {
	a.t.Helper()
	eventually(a.t, "the end of all helpers: "+strings.Join(a.helpers(), ", "), func() bool { return len(a.helpers()) == 0 })
	if left := a.records(); len(left) > 0 {
		a.t.Errorf("left on the swarm: %q", left)
	}
}

// records are what galley keeps of the app on the swarm, but for the history.
func (a *app) records() []string {
	a.t.Helper()
	configs, err := a.api.ConfigList(context.Background(), swarm.ConfigListOptions{Filters: label("galley.stack=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	var kinds []string
	for _, c := range configs {
		if kind := c.Spec.Labels["galley.record"]; kind != "history" {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// container is the ID of the app's running container, "" for none.
func (a *app) container() string {
	a.t.Helper()
	all, err := a.local.ContainerList(context.Background(), container.ListOptions{Filters: label("com.docker.swarm.service.name=" + a.stack + "_app")})
	if err != nil {
		a.t.Fatal(err)
	}
	if len(all) == 0 {
		return ""
	}
	return all[0].ID
}

// processes are the command lines in the app's container.
func (a *app) processes() string {
	a.t.Helper()
	top, err := a.local.ContainerTop(context.Background(), a.container(), []string{"-eo", "pid,args"})
	if err != nil {
		a.t.Fatal(err)
	}
	var lines []string
	for _, p := range top.Processes {
		lines = append(lines, strings.Join(p, " "))
	}
	return strings.Join(lines, "\n")
}

// copies are the volumes that hold what was before a restore, sorted.
func (a *app) copies() []string {
	a.t.Helper()
	all, err := a.local.VolumeList(context.Background(), volume.ListOptions{Filters: label("galley.kept=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	names := []string{}
	for _, v := range all.Volumes {
		names = append(names, v.Name)
	}
	slices.Sort(names)
	return names
}

// secrets are the names of the app's secrets on the swarm, sorted.
func (a *app) secrets() []string {
	a.t.Helper()
	all, err := a.api.SecretList(context.Background(), swarm.SecretListOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	names := []string{}
	for _, s := range all {
		if strings.HasPrefix(s.Spec.Name, a.stack+"_") {
			names = append(names, s.Spec.Name)
		}
	}
	slices.Sort(names)
	return names
}

// volumeOf is the app's volume data as a node makes it.
func volumeOf(a *app) volume.CreateOptions {
	return volume.CreateOptions{Name: a.stack + "_data", Labels: map[string]string{"com.docker.stack.namespace": a.stack}}
}

// isRoot skips what only root may do, which CI is.
func isRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Getuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("CI runs as root, who alone may lay that out")
	default:
		t.Skip("only root may lay that out")
	}
}
