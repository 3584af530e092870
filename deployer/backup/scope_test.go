package backup

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
)

// standing is a service of the tests: labels, mounts as "volume:/target" or "/folder:/target",
// and secrets.
type standing struct {
	labels  map[string]string
	mounts  []string
	secrets []string
	global  bool
}

func (s standing) spec() swarm.ServiceSpec {
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Labels: s.labels}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{}}}
	if s.global {
		spec.Mode.Global = &swarm.GlobalService{}
	}
	c := spec.TaskTemplate.ContainerSpec
	for _, text := range s.mounts {
		source, target, _ := strings.Cut(text, ":")
		m := mount.Mount{Type: mount.TypeVolume, Source: source, Target: target}
		switch {
		case strings.HasPrefix(source, "/"):
			m.Type = mount.TypeBind
		case source == "tmpfs":
			m.Type, m.Source = mount.TypeTmpfs, ""
		}
		c.Mounts = append(c.Mounts, m)
	}
	for _, name := range s.secrets {
		c.Secrets = append(c.Secrets, &swarm.SecretReference{SecretName: name})
	}
	return spec
}

// stackOf is the stack "s" with services by their compose names.
func stackOf(services map[string]standing) *deployer.Stack {
	stack := &deployer.Stack{Name: "s", Services: map[string]deployer.Service{}}
	for name, s := range services {
		stack.Services["s_"+name] = deployer.Service{Spec: s.spec()}
	}
	return stack
}

// saved is a scope in short: volumes with their paths, paths in containers.
func (s *Scope) saved() []string {
	var lines []string
	for _, v := range s.Volumes {
		lines = append(lines, strings.Join(append([]string{v.Name, v.Key}, v.Paths...), " "))
	}
	for _, p := range s.Paths {
		lines = append(lines, p.Service+":"+p.Path)
	}
	return lines
}

func TestScope(t *testing.T) {
	labels := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m["backupbot."+pairs[i]] = pairs[i+1]
		}
		return m
	}
	both := []string{"s_data:/data", "s_cache:/cache"}
	for name, c := range map[string]struct {
		services map[string]standing
		want     []string
		leftOut  []string
	}{
		"no label": {
			services: map[string]standing{"app": {mounts: both}}, want: []string{"s_cache cache", "s_data data"},
		},
		"true": {
			services: map[string]standing{"app": {labels: labels("backup", "true"), mounts: both}}, want: []string{"s_cache cache", "s_data data"},
		},
		"false": {
			services: map[string]standing{"app": {labels: labels("backup", " False ", "backup.path", "/etc/x"), mounts: both}},
			leftOut:  []string{"volume s_cache: service app says backupbot.backup=false", "volume s_data: service app says backupbot.backup=false"},
		},
		"a volume false": {
			services: map[string]standing{"app": {labels: labels("backup.volumes.cache", "false"), mounts: both}},
			want:     []string{"s_data data"}, leftOut: []string{"volume s_cache: service app says backupbot.backup.volumes.cache=false"},
		},
		"a volume true": {
			services: map[string]standing{"app": {labels: labels("backup.volumes.cache", "true"), mounts: both}}, want: []string{"s_cache cache", "s_data data"},
		},
		"paths of a volume": {
			services: map[string]standing{"app": {labels: labels("backup.volumes.data.path", " b.sql, /a/,b.sql ,../c,"), mounts: both}},
			want:     []string{"s_cache cache", "s_data data a b.sql c"},
		},
		"false and paths of one volume": { // false is the stronger word
			services: map[string]standing{"app": {labels: labels("backup.volumes.data.path", "a", "backup.volumes.data", "false"), mounts: []string{"s_data:/data"}}},
			leftOut:  []string{"volume s_data: service app says backupbot.backup.volumes.data=false"},
		},
		"a path in a volume": {
			services: map[string]standing{"app": {labels: labels("backup.path", "/data/dump.sql,/data/files"), mounts: both}},
			want:     []string{"s_data data dump.sql files"}, leftOut: []string{"volume s_cache: service app names paths elsewhere"},
		},
		"a path that is a mount": {
			services: map[string]standing{"app": {labels: labels("backup.path", "/data/,/data/sub"), mounts: both}},
			want:     []string{"s_data data"}, leftOut: []string{"volume s_cache: service app names paths elsewhere"},
		},
		"a path beside a volume": { // /database is not in /data
			services: map[string]standing{"app": {labels: labels("backup.path", "/database/./x"), mounts: both}},
			want:     []string{"app:/database/x"},
			leftOut:  []string{"volume s_cache: service app names paths elsewhere", "volume s_data: service app names paths elsewhere"},
		},
		"a path above a volume": {
			services: map[string]standing{"app": {labels: labels("backup.path", "/var/www"), mounts: []string{"s_data:/var/www/data"}}},
			want:     []string{"app:/var/www"}, leftOut: []string{"volume s_data: service app names paths elsewhere"},
		},
		"a volume in a volume": {
			services: map[string]standing{"app": {labels: labels("backup.path", "/data/in/x,/data/y"), mounts: []string{"s_data:/data", "s_inner:/data/in/"}}},
			want:     []string{"s_data data y", "s_inner inner x"},
		},
		"two services on one volume, one wants it whole": {
			services: map[string]standing{"app": {labels: labels("backup", "false"), mounts: []string{"s_data:/x"}}, "db": {mounts: []string{"s_data:/data"}}},
			want:     []string{"s_data data"},
		},
		"two services on one volume, one wants paths": {
			services: map[string]standing{
				"app": {labels: labels("backup", "false"), mounts: []string{"s_data:/x"}},
				"db":  {labels: labels("backup.path", "/data/b"), mounts: []string{"s_data:/data"}},
				"job": {labels: labels("backup.volumes.data.path", "a"), mounts: []string{"s_data:/data"}},
			},
			want: []string{"s_data data a b"},
		},
		"two services on one volume, paths and whole": {
			services: map[string]standing{
				"app": {labels: labels("backup.path", "/data/b"), mounts: []string{"s_data:/data"}},
				"db":  {mounts: []string{"s_data:/data"}},
			},
			want: []string{"s_data data"},
		},
		"a global service": {
			services: map[string]standing{"agent": {mounts: []string{"s_state:/state"}, global: true}}, want: []string{"s_state state"},
		},
		"a volume of others, which goes by its name": {
			services: map[string]standing{"app": {labels: labels("backup.volumes.shared.path", "mine"), mounts: []string{"shared:/shared", "s-data:/data"}}},
			want:     []string{"s-data s-data", "shared shared mine"},
		},
		"what is no volume": {
			services: map[string]standing{"app": {mounts: []string{"/srv/app:/srv", "tmpfs:/tmp"}}},
			leftOut:  []string{"/srv/app of service app: a folder of the node, and no volume"},
		},
		"a path in a folder of the node": { // the container has it
			services: map[string]standing{"app": {labels: labels("backup.path", "/srv/x"), mounts: []string{"/srv/app:/srv"}}},
			want:     []string{"app:/srv/x"}, leftOut: []string{"/srv/app of service app: a folder of the node, and no volume"},
		},
		"nothing": {services: map[string]standing{"app": {}}},
	} {
		s := NewScope(stackOf(c.services))
		if got := s.saved(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
		if !slices.Equal(s.LeftOut, c.leftOut) {
			t.Errorf("%s: left out %q, expected %q", name, s.LeftOut, c.leftOut)
		}
		if text, err := json.Marshal(s); err != nil || strings.Contains(string(text), "null") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestScopeHooks(t *testing.T) {
	all := map[string]string{
		labelPreHook: " dump\n", labelPostHook: "tidy", labelRestorePre: "\tlock", labelRestorePost: "load", labelProbe: "works ", labelBefore: " upgrade",
	}
	off := map[string]string{labelBackup: "false"}
	for label, command := range all {
		off[label] = command
	}
	got := func(s *Scope) []string {
		var lines []string
		for name, hooks := range map[string][]Hook{"pre": s.Pre, "post": s.Post, "restore-pre": s.RestorePre, "restore-post": s.RestorePost, "probe": s.Probes} {
			for _, h := range hooks {
				lines = append(lines, name+" "+h.Service+" "+h.Command)
			}
		}
		slices.Sort(lines)
		return append(lines, "before "+s.Before)
	}
	for name, c := range map[string]struct {
		service standing
		want    []string
	}{
		"all":   {standing{labels: all}, []string{"post db tidy", "pre db dump", "probe db works", "restore-post db load", "restore-pre db lock", "before upgrade"}},
		"blank": {standing{labels: map[string]string{labelPreHook: " \n", labelProbe: ""}}, []string{"before "}},
		"off":   {standing{labels: off}, []string{"probe db works", "restore-post db load", "restore-pre db lock", "before "}},
	} {
		if lines := got(NewScope(stackOf(map[string]standing{"db": c.service}))); !slices.Equal(lines, c.want) {
			t.Errorf("%s: %q, expected %q", name, lines, c.want)
		}
	}
	// In the services' order, whatever the map's.
	s := NewScope(stackOf(map[string]standing{"c": {labels: all}, "a": {labels: all}, "b": {labels: all}}))
	if len(s.Pre) != 3 || s.Pre[0].Service != "a" || s.Pre[1].Service != "b" || s.Pre[2].Service != "c" {
		t.Errorf("pre-hooks: %+v", s.Pre)
	}
}

func TestScopeSecrets(t *testing.T) {
	s := NewScope(stackOf(map[string]standing{
		"app": {secrets: []string{"s_db_v1", "s_token_v1"}}, "db": {labels: map[string]string{labelBackup: "false"}, secrets: []string{"s_db_v1"}},
	}))
	if !slices.Equal(s.Secrets, []string{"s_db_v1", "s_token_v1"}) {
		t.Errorf("%q", s.Secrets)
	}
}

func TestBackupWanted(t *testing.T) {
	for word, want := range map[string][2]bool{"": {}, "upgrade": {true, false}, "deploy": {true, true}, "never": {}} {
		stack := stackOf(map[string]standing{"app": {labels: map[string]string{labelBefore: word}}, "db": {}})
		if upgrade, deploy := Wanted(stack, true), Wanted(stack, false); upgrade != want[0] || deploy != want[1] {
			t.Errorf("%q: before an upgrade %v, before a deploy %v", word, upgrade, deploy)
		}
	}
}
