package backup

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
)

// Labels of services, which recipes carry in deploy.labels. All but the last two are
// backupbot's (RECIPE-FORMAT 3).
const (
	labelBackup      = "backupbot.backup"           // "false": nothing of this service
	labelPreHook     = "backupbot.backup.pre-hook"  // a shell command, in the container
	labelPostHook    = "backupbot.backup.post-hook" // the same
	labelPath        = "backupbot.backup.path"      // paths in the container, with commas: these alone
	labelVolumes     = "backupbot.backup.volumes."  // + <volume> "false", + <volume>.path: paths in the volume
	labelRestorePre  = "backupbot.restore.pre-hook"
	labelRestorePost = "backupbot.restore.post-hook"

	labelProbe  = "galley.backup.probe"  // a shell command that succeeds when the app works
	labelBefore = "galley.backup.before" // "upgrade" or "deploy": take a backup before that
)

// Hook is a shell command that a recipe wants run in a service's container.
type Hook struct {
	Service string `json:"service"` // compose name
	Command string `json:"command"`
}

// ScopeVolume is a volume to back up.
type ScopeVolume struct {
	Name string `json:"name"` // on the node
	Key  string `json:"key"`  // in the compose file; an external one's is its name
	// Paths are what of it, relative and sorted; none for all.
	Paths []string `json:"paths"`
}

// ScopePath is a path in a container that is in no volume.
type ScopePath struct {
	Service string `json:"service"` // compose name
	Path    string `json:"path"`    // absolute
}

// Scope is what of an app is backed up and what is run around it, read from the labels of
// the services that stand.
type Scope struct {
	Volumes []ScopeVolume `json:"volumes"`
	Paths   []ScopePath   `json:"paths"`
	// Secrets are the names on the swarm of those that services are given.
	Secrets []string `json:"secrets"`
	// LeftOut tells what is not backed up and why, a line each.
	LeftOut []string `json:"left_out"`

	Pre, Post               []Hook `json:"-"` // around the backup
	RestorePre, RestorePost []Hook `json:"-"`
	Probes                  []Hook `json:"-"`
	// Before is what a backup is wanted before: "upgrade", "deploy" or "".
	Before string `json:"-"`
}

// NewScope reads a stack's labels. Without any every volume is backed up, for a volume
// too many costs space and one too few an app.
//
// A service whose label is "false" adds none; one with paths adds these alone, each from
// the volume that it lies in; a volume that some service wants whole is taken whole.
func NewScope(stack *deployer.Stack) *Scope {
	s := &Scope{Volumes: []ScopeVolume{}, Paths: []ScopePath{}, Secrets: []string{}, LeftOut: []string{}}
	wanted := map[string]*want{}
	for _, name := range slices.Sorted(maps.Keys(stack.Services)) {
		spec := stack.Services[name].Spec
		s.readService(stack.Name, serviceKey(stack.Name, name), spec, wanted)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		w := wanted[name]
		if !w.whole && len(w.paths) == 0 {
			s.LeftOut = append(s.LeftOut, fmt.Sprintf("volume %s: %s", name, strings.Join(w.reasons, ", ")))
			continue
		}
		v := ScopeVolume{Name: name, Key: serviceKey(stack.Name, name), Paths: []string{}}
		if !w.whole {
			slices.Sort(w.paths)
			v.Paths = slices.Compact(w.paths)
		}
		s.Volumes = append(s.Volumes, v)
	}
	slices.Sort(s.Secrets)
	s.Secrets = slices.Compact(s.Secrets)
	return s
}

// want is what services want of one volume.
type want struct {
	whole   bool
	paths   []string
	reasons []string
}

func (s *Scope) readService(stack, key string, spec swarm.ServiceSpec, wanted map[string]*want) {
	labels := spec.Labels
	off := strings.EqualFold(strings.TrimSpace(labels[labelBackup]), "false")
	s.readHooks(key, labels, off)
	if !off {
		s.Before = cmp.Or(strings.TrimSpace(labels[labelBefore]), s.Before)
	}
	container := spec.TaskTemplate.ContainerSpec
	if container == nil {
		return
	}
	for _, secret := range container.Secrets {
		s.Secrets = append(s.Secrets, secret.SecretName)
	}
	paths := splitPaths(labels[labelPath])
	if off {
		paths = nil
	}
	inVolumes := map[string][]string{}
	for _, p := range paths {
		if m, rel := mountOf(container.Mounts, p); m != nil {
			inVolumes[m.Source] = append(inVolumes[m.Source], rel)
		} else {
			s.Paths = append(s.Paths, ScopePath{Service: key, Path: path.Clean(p)})
		}
	}
	for _, m := range container.Mounts {
		if m.Type != mount.TypeVolume || m.Source == "" {
			if m.Type == mount.TypeBind {
				s.LeftOut = append(s.LeftOut, fmt.Sprintf("%s of service %s: a folder of the node, and no volume", m.Source, key))
			}
			continue
		}
		w := wanted[m.Source]
		if w == nil {
			w = &want{}
			wanted[m.Source] = w
		}
		w.add(key, serviceKey(stack, m.Source), labels, off, len(paths) > 0, inVolumes[m.Source])
	}
}

// add takes one service's word about a volume that it mounts.
func (w *want) add(service, key string, labels map[string]string, off, byPath bool, paths []string) {
	word := strings.TrimSpace(labels[labelVolumes+key])
	within := splitPaths(labels[labelVolumes+key+".path"])
	switch {
	case off:
		w.reasons = append(w.reasons, fmt.Sprintf("service %s says %s=false", service, labelBackup))
	case strings.EqualFold(word, "false"):
		w.reasons = append(w.reasons, fmt.Sprintf("service %s says %s%s=false", service, labelVolumes, key))
	case len(within) > 0:
		for _, p := range within {
			w.paths = append(w.paths, strings.TrimPrefix(path.Clean("/"+p), "/"))
		}
	case byPath && len(paths) == 0:
		w.reasons = append(w.reasons, fmt.Sprintf("service %s names paths elsewhere", service))
	case byPath && !slices.Contains(paths, ""):
		w.paths = append(w.paths, paths...)
	default:
		w.whole = true
	}
}

// readHooks takes a service's hooks. Those around a backup have nothing to do where none of
// the service is made. Those of a restore do: the run may be from before.
func (s *Scope) readHooks(service string, labels map[string]string, off bool) {
	for label, list := range map[string]*[]Hook{
		labelPreHook: &s.Pre, labelPostHook: &s.Post, labelRestorePre: &s.RestorePre, labelRestorePost: &s.RestorePost, labelProbe: &s.Probes,
	} {
		if command := strings.TrimSpace(labels[label]); command != "" && !(off && (label == labelPreHook || label == labelPostHook)) {
			*list = append(*list, Hook{Service: service, Command: command})
		}
	}
}

// mountOf is the volume that a path in a container lies in, and where in it ("" for its
// root); nil for none.
func mountOf(mounts []mount.Mount, p string) (found *mount.Mount, rel string) {
	p = path.Clean("/" + p)
	best := ""
	for i, m := range mounts {
		target := path.Clean("/" + m.Target)
		inside := p == target || strings.HasPrefix(p, strings.TrimSuffix(target, "/")+"/")
		if inside && len(target) >= len(best) {
			best, found = target, &mounts[i]
		}
	}
	if found == nil || found.Type != mount.TypeVolume || found.Source == "" {
		return nil, ""
	}
	return found, strings.TrimPrefix(strings.TrimPrefix(p, best), "/")
}

// splitPaths reads a list with commas.
func splitPaths(list string) []string {
	var paths []string
	for _, p := range strings.Split(list, ",") {
		if p = strings.TrimSpace(p); p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

// serviceKey is a name without the stack's before it.
func serviceKey(stack, name string) string { return strings.TrimPrefix(name, stack+"_") }
