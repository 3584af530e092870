package deployer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

// Event is one service's progress, for whoever shows it. Stage is what the
// deploy is at: "apply", "watch", "verify", "put back". One comes whenever
// something in it changed, Elapsed aside.
type Event struct {
	Stage   string `json:"stage"`
	Service string `json:"service"` // "" for the stack as a whole
	Image   string `json:"image"`   // as the service's spec names it
	Phase   Phase  `json:"phase"`
	Running int    `json:"running"`
	Slots   int    `json:"slots"`
	// Health is "healthy", "starting", "unhealthy", the latter two with ": " and
	// what the health check said last; "" where there is no health check, or where
	// the container is on a node that cannot be asked.
	Health string `json:"health"`
	// Nodes are the names of the nodes that prepare a task, which is mostly to
	// pull its image.
	Nodes []string `json:"nodes"`
	// Message is why it is so: what it waits for, what failed last.
	Message string        `json:"message"`
	Elapsed time.Duration `json:"elapsed_ns"` // since the stage, or the deploy, began
}

// viewer makes events of a watch's looks, and asks the engine what only they
// need: names of nodes and the health of containers.
type viewer struct {
	watch  *watch
	shown  map[string]Event
	nodes  map[string]string // ID to name
	asked  time.Time         // when the nodes were listed
	health map[string]string // by task ID, as last read
	read   time.Time         // when health was
	// asking says that containers are being asked; their answers come by answers.
	asking  bool
	answers chan map[string]string
}

// healthEvery is how often containers that are still starting are asked.
const healthEvery = time.Second

func newViewer(w *watch) *viewer {
	return &viewer{watch: w, shown: map[string]Event{}, nodes: map[string]string{}, health: map[string]string{}, answers: make(chan map[string]string, 1)}
}

// show reports what changed since it was last shown.
func (v *viewer) show(ctx context.Context, progress map[string]Progress, elapsed time.Duration) {
	if v.watch.report == nil {
		return
	}
	v.readHealth(ctx, progress)
	for _, name := range sortedKeys(progress) {
		e := progress[name].event(v.healthOf(progress[name]))
		e.Stage, e.Service = v.watch.stage, name
		if before, ok := v.shown[name]; ok && sameEvent(before, e) {
			continue
		}
		v.shown[name] = e
		e.Elapsed = elapsed
		v.watch.report(e)
	}
}

func sameEvent(a, b Event) bool {
	return a.Phase == b.Phase && a.Running == b.Running && a.Slots == b.Slots && a.Image == b.Image &&
		a.Health == b.Health && a.Message == b.Message && slices.Equal(a.Nodes, b.Nodes)
}

// event is the progress as it is shown.
func (p Progress) event(health string) Event {
	e := Event{Image: p.Image, Phase: p.Phase, Running: p.Running, Slots: p.Slots, Health: health, Nodes: append([]string{}, p.Nodes...)}
	switch {
	case p.Reason != "":
		e.Message = p.Reason
	case p.Phase == Pulling:
		e.Message = "pulling" + strings.TrimPrefix(p.pullingWhere(), ":")
	case p.Phase == Settled || p.Phase == Settling:
	case p.Waiting != "":
		e.Message = oneLine(p.Waiting)
	case p.Failed != nil:
		e.Message = "its last task failed with: " + taskError(p.Failed)
	}
	return e
}

// pullingWhere names the nodes that pull, as the end of a sentence.
func (p Progress) pullingWhere() string {
	if len(p.Nodes) == 0 {
		return ""
	}
	return ": on " + strings.Join(p.Nodes, ", ")
}

// nodesEvery is how often the nodes are listed for a name that was not among
// them, and namesWithin how long a deploy lets itself be held up by that.
const (
	nodesEvery  = 10 * time.Second
	namesWithin = 5 * time.Second
)

// nameNodes turns the IDs of nodes into their names, where they can be had.
func (v *viewer) nameNodes(ctx context.Context, progress map[string]Progress) {
	for name, p := range progress {
		for i, id := range p.Nodes {
			p.Nodes[i] = v.nodeName(ctx, id)
		}
		slices.Sort(p.Nodes)
		p.Nodes = slices.Compact(p.Nodes) // one that prepares several tasks is named once
		progress[name] = p
	}
}

func (v *viewer) nodeName(ctx context.Context, id string) string {
	if name, ok := v.nodes[id]; ok {
		return name
	}
	if time.Since(v.asked) > nodesEvery {
		v.asked = time.Now()
		ctx, cancel := context.WithTimeout(ctx, namesWithin)
		defer cancel()
		nodes, err := v.watch.engine.api.NodeList(ctx, swarm.NodeListOptions{})
		if err != nil {
			return id
		}
		for i := range nodes {
			v.nodes[nodes[i].ID] = nodes[i].Description.Hostname
		}
	}
	return cmp.Or(v.nodes[id], id)
}

// readHealth takes what the containers answered and asks again, beside the watch:
// an engine at some distance must not hold the looks up. What cannot be had is
// left as it was.
func (v *viewer) readHealth(ctx context.Context, progress map[string]Progress) {
	select {
	case answers := <-v.answers:
		maps.Copy(v.health, answers)
		v.asking = false
	default:
	}
	ask := v.worthAsking(progress)
	if v.asking || len(ask) == 0 {
		return
	}
	v.asking, v.read = true, time.Now()
	go func() {
		answers := map[string]string{}
		for task, container := range ask {
			if text, ok := v.watch.engine.healthNow(ctx, container); ok {
				answers[task] = text
			}
		}
		v.answers <- answers
	}()
}

// worthAsking are this node's containers, by task, whose health may have changed:
// those that are starting, every healthEvery, and those that just came up. What
// was settled at the first look is left alone.
func (v *viewer) worthAsking(progress map[string]Progress) map[string]string {
	ask := map[string]string{}
	due := time.Since(v.read) >= healthEvery
	for _, p := range progress {
		for _, t := range p.Live {
			c := t.Status.ContainerStatus
			if t.NodeID != v.watch.engine.NodeID || c == nil || c.ContainerID == "" {
				continue
			}
			before, known := v.health[t.ID]
			up := t.Status.State == swarm.TaskStateRunning
			if !up && due || up && known && before != "" && before != container.Healthy || up && !known && p.Phase != Settled {
				ask[t.ID] = c.ContainerID
			}
		}
	}
	return ask
}

// healthNow is a container's health, not ok when it cannot be had.
func (e *Engine) healthNow(ctx context.Context, id string) (text string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	inspected, err := e.api.ContainerInspect(ctx, id)
	if err != nil || inspected.State == nil {
		return "", false
	}
	return healthText(inspected.State.Health), true
}

// healthText is a container's health in one line.
func healthText(h *container.Health) string {
	if h == nil || h.Status == "" || h.Status == container.NoHealthcheck {
		return ""
	}
	text := string(h.Status)
	if said := lastFailing(h); said != "" && h.Status != container.Healthy {
		text += ": " + said
	}
	return text
}

// healthOf is the worst health among a service's tasks.
func (v *viewer) healthOf(p Progress) string {
	all := map[string]bool{}
	for _, t := range p.Live {
		all[v.health[t.ID]] = true
	}
	texts := slices.Sorted(maps.Keys(all)) // "healthy" < "starting" < "unhealthy"
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}
