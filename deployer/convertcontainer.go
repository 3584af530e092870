package deployer

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/recipe"
)

func (c *converter) container(name string, s types.ServiceConfig) *swarm.ContainerSpec {
	if s.Entrypoint != nil && len(s.Entrypoint) == 0 {
		c.warn("service %q: an empty entrypoint does not clear the image's in swarm", name)
	}
	if s.Command != nil && len(s.Command) == 0 && len(s.Entrypoint) == 0 {
		c.warn("service %q: an empty command does not clear the image's in swarm", name)
	}
	spec := &swarm.ContainerSpec{
		Image:           s.Image,
		Command:         slices.Clone([]string(s.Entrypoint)),
		Args:            slices.Clone([]string(s.Command)),
		Hostname:        s.Hostname,
		Hosts:           hosts(s.ExtraHosts),
		DNSConfig:       orNil(&swarm.DNSConfig{Nameservers: s.DNS, Search: s.DNSSearch, Options: s.DNSOpts}),
		Env:             c.environment(name, s),
		Labels:          c.labels(s.Labels),
		Dir:             s.WorkingDir,
		User:            s.User,
		Groups:          slices.Clone(s.GroupAdd),
		TTY:             s.Tty,
		OpenStdin:       s.StdinOpen,
		ReadOnly:        s.ReadOnly,
		Init:            s.Init,
		StopSignal:      s.StopSignal,
		StopGracePeriod: duration(s.StopGracePeriod),
		Healthcheck:     c.healthcheck(name, s.HealthCheck),
		Isolation:       container.Isolation(s.Isolation),
		Sysctls:         maps.Clone(map[string]string(s.Sysctls)),
		Ulimits:         ulimits(s.Ulimits),
		OomScoreAdj:     s.OomScoreAdj,
		Mounts:          c.mounts(name, s),
		Secrets:         c.secretRefs(name, s.Secrets),
		Configs:         c.configRefs(name, s.Configs),
	}
	spec.CapabilityAdd, spec.CapabilityDrop = capabilities(s.CapAdd, s.CapDrop)
	spec.Privileges = c.privileges(name, s, spec)
	return spec
}

// environment is the service's own variables over those of its env files, by
// name. A variable without a value takes it from the environment of the deploy,
// or is left out; nothing else of that environment reaches a container.
func (c *converter) environment(name string, s types.ServiceConfig) []string {
	values := c.envFiles(name, s.EnvFiles)
	for key, value := range s.Environment {
		if value != nil {
			values[key] = *value
			continue
		}
		if v, ok := c.env[key]; ok {
			values[key] = v
		} else {
			delete(values, key)
		}
	}
	var env []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		env = append(env, key+"="+values[key])
	}
	return env
}

func (c *converter) envFiles(name string, files []types.EnvFile) map[string]string {
	values := map[string]string{}
	for _, file := range files {
		clean, ok := recipe.RelativePath(file.Path)
		if !ok {
			c.fail("", "service %q: env_file %q is outside the recipe", name, file.Path)
			continue
		}
		data, err := c.files.ReadFile(clean)
		if errors.Is(err, fs.ErrNotExist) && !bool(file.Required) {
			continue
		}
		if err != nil {
			c.fail("an env_file is read from the recipe alone; use environment: for the app's own values",
				"service %q: reading env_file %q: %v", name, file.Path, err)
			continue
		}
		if file.Format == "raw" {
			rawEnv(values, string(data))
			continue
		}
		read, problems := recipe.ParseEnv(recipe.NewText(clean, data)).Environ(recipe.MapLookup(c.env))
		for _, p := range problems {
			c.warn("service %q: env_file %v", name, p)
		}
		maps.Copy(values, read)
	}
	return values
}

// rawEnv reads lines as they are, without quotes and variables.
func rawEnv(values map[string]string, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(key, "#") {
			values[key] = value
		}
	}
}

func (c *converter) healthcheck(name string, h *types.HealthCheckConfig) *container.HealthConfig {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	if len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0]) {
		c.fail("", "service %q: healthcheck.test starts with %q; expected NONE, CMD or CMD-SHELL", name, h.Test[0])
	}
	config := &container.HealthConfig{
		Test:          slices.Clone([]string(h.Test)),
		Interval:      orZero(duration(h.Interval)),
		Timeout:       orZero(duration(h.Timeout)),
		StartPeriod:   orZero(duration(h.StartPeriod)),
		StartInterval: orZero(duration(h.StartInterval)),
	}
	if h.Retries != nil {
		config.Retries = int(min(*h.Retries, 1<<30))
	}
	return config
}

func duration(d *types.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	value := time.Duration(*d)
	return &value
}

func orZero[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// hosts are lines as /etc/hosts has them.
func hosts(list types.HostsList) []string {
	var lines []string
	for _, host := range slices.Sorted(maps.Keys(list)) {
		for _, ip := range list[host] {
			lines = append(lines, ip+" "+host)
		}
	}
	return lines
}

func ulimits(limits map[string]*types.UlimitsConfig) []*container.Ulimit {
	var list []*container.Ulimit
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		u := limits[name]
		if u == nil {
			continue
		}
		soft, hard := u.Soft, u.Hard
		if u.Single != 0 {
			soft, hard = u.Single, u.Single
		}
		list = append(list, &container.Ulimit{Name: name, Soft: int64(soft), Hard: int64(hard)})
	}
	return list
}

// capabilities brings names to the engine's form. What is both added and dropped
// is added, as the engine has it.
func capabilities(add, drop []string) (added, dropped []string) {
	normal := func(list []string) []string {
		var names []string
		for _, name := range list {
			name = strings.ToUpper(strings.TrimSpace(name))
			if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
				name = "CAP_" + name
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	added, dropped = normal(add), normal(drop)
	if slices.Contains(added, "ALL") {
		added = []string{"ALL"}
	}
	if slices.Contains(dropped, "ALL") {
		return added, []string{"ALL"}
	}
	return added, slices.DeleteFunc(dropped, func(name string) bool { return slices.Contains(added, name) })
}

// privileges reads what swarm knows of security_opt and credential_spec.
func (c *converter) privileges(name string, s types.ServiceConfig, spec *swarm.ContainerSpec) *swarm.Privileges {
	p := &swarm.Privileges{}
	for _, option := range s.SecurityOpt {
		key, value, ok := strings.Cut(strings.Replace(option, ":", "=", 1), "=")
		if key == "no-new-privileges" && (!ok || value == "true") {
			p.NoNewPrivileges = true
		} else {
			c.warn("service %q: swarm ignores security_opt %q", name, option)
		}
	}
	if cs := s.CredentialSpec; cs != nil {
		p.CredentialSpec = &swarm.CredentialSpec{File: cs.File, Registry: cs.Registry}
		if cs.Config != "" {
			if full, ok := c.config(name, cs.Config); ok {
				p.CredentialSpec.Config = full
				spec.Configs = append(spec.Configs, &swarm.ConfigReference{ConfigName: full, Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
			}
		}
		if n := countSet(cs.Config, cs.File, cs.Registry); n != 1 {
			c.fail("", "service %q: credential_spec has %d of config, file and registry; expected one", name, n)
		}
	}
	return orNil(p)
}

func countSet(values ...string) int {
	n := 0
	for _, v := range values {
		if v != "" {
			n++
		}
	}
	return n
}

// at names a service's key in messages.
func at(service, key string) string { return fmt.Sprintf("service %q: %s", service, key) }
