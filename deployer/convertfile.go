package deployer

import (
	"cmp"
	"maps"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/recipe"
)

// maxConfigSize is swarm's limit, in bytes; a config must be smaller. An empty
// one is refused, too.
const maxConfigSize = 1000 * 1024

// configRefs are the configs of a service. A target that is no absolute path
// stands in the root of the container.
func (c *converter) configRefs(service string, list []types.ServiceConfigObjConfig) []*swarm.ConfigReference {
	var refs []*swarm.ConfigReference
	for _, item := range list {
		full, ok := c.config(service, item.Source)
		if !ok {
			continue
		}
		f := fileTarget(types.FileReferenceConfig(item))
		refs = append(refs, &swarm.ConfigReference{ConfigName: full, File: (*swarm.ConfigReferenceFileTarget)(&f)})
	}
	slices.SortStableFunc(refs, func(a, b *swarm.ConfigReference) int {
		return cmp.Or(cmp.Compare(a.ConfigName, b.ConfigName), cmp.Compare(configFile(a), configFile(b)))
	})
	return refs
}

// secretRefs are the secrets of a service. A target that is no absolute path
// stands in /run/secrets.
func (c *converter) secretRefs(service string, list []types.ServiceSecretConfig) []*swarm.SecretReference {
	var refs []*swarm.SecretReference
	for _, item := range list {
		full, ok := c.secret(service, item.Source)
		if !ok {
			continue
		}
		f := fileTarget(types.FileReferenceConfig(item))
		refs = append(refs, &swarm.SecretReference{SecretName: full, File: (*swarm.SecretReferenceFileTarget)(&f)})
	}
	slices.SortStableFunc(refs, func(a, b *swarm.SecretReference) int {
		return cmp.Or(cmp.Compare(a.SecretName, b.SecretName), cmp.Compare(secretFile(a), secretFile(b)))
	})
	return refs
}

// target has the fields that swarm's file targets of configs and secrets share.
type target struct {
	Name string
	UID  string
	GID  string
	Mode os.FileMode
}

// fileTarget fills in what docker does: root's, readable by all, named like the
// object's key.
func fileTarget(f types.FileReferenceConfig) target {
	t := target{Name: cmp.Or(f.Target, f.Source), UID: cmp.Or(f.UID, "0"), GID: cmp.Or(f.GID, "0"), Mode: 0o444}
	if f.Mode != nil {
		t.Mode = os.FileMode(uint32(*f.Mode))
	}
	return t
}

// config converts the config with that key on its first use.
func (c *converter) config(service, key string) (full string, ok bool) {
	object, ok := c.project.Configs[key]
	if !ok {
		c.fail("", "service %q: config %q is not declared under configs", service, key)
		return "", false
	}
	full = cmp.Or(object.Name, c.full(key))
	if bool(object.External) {
		full = cmp.Or(object.Name, key)
	}
	if !c.use("config", key) {
		return full, true
	}
	if !c.checkName("config", key, full, fileNames) {
		return full, true
	}
	config := Config{External: bool(object.External), Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: full}}}
	if !config.External {
		config.Spec.Labels = c.labels(object.Labels)
		config.Spec.Labels[labelConfig] = key
		if object.Name == "" {
			c.derived = append(c.derived, full)
		}
		config.Spec.Data = c.configData(key, types.FileObjectConfig(object))
		if object.TemplateDriver != "" {
			config.Spec.Templating = &swarm.Driver{Name: object.TemplateDriver}
		}
		if object.Driver != "" || len(object.DriverOpts) > 0 {
			c.fail("", "config %q: swarm has no driver for configs", key)
		}
	}
	if other, taken := c.out.Configs[full]; taken && string(other.Spec.Data) != string(config.Spec.Data) {
		c.fail("", "config %q: another config is also named %q and has other content", key, full)
	}
	c.out.Configs[full] = config
	return full, true
}

func (c *converter) configData(key string, object types.FileObjectConfig) []byte {
	var data []byte
	switch {
	case object.File != "":
		clean, ok := recipe.RelativePath(object.File)
		if !ok {
			c.fail("a config's file must be part of the recipe", "config %q: file %q is outside the recipe", key, object.File)
			return nil
		}
		read, err := c.files.ReadFile(clean)
		if err != nil {
			c.fail("", "config %q: reading file %q: %v", key, object.File, err)
			return nil
		}
		data = read
	case object.Environment != "":
		value, ok := c.env[object.Environment]
		if !ok {
			c.fail("", "config %q: its variable %q has no value", key, object.Environment)
			return nil
		}
		data = []byte(value)
	default:
		data = []byte(object.Content)
	}
	if len(data) == 0 || len(data) >= maxConfigSize {
		c.fail("", "config %q: %d bytes; swarm takes 1 to %d", key, len(data), maxConfigSize-1)
	}
	return data
}

// secret converts the secret with that key on its first use. Its value must come
// from the operator: one from the recipe is public, and one from the env file
// would stand in a plain file.
func (c *converter) secret(service, key string) (full string, ok bool) {
	object, ok := c.project.Secrets[key]
	if !ok {
		c.fail("", "service %q: secret %q is not declared under secrets", service, key)
		return "", false
	}
	if !bool(object.External) {
		if c.use("secret", key) {
			c.fail("declare it external: true with name: ${STACK_NAME}_"+key+"_${SECRET_"+secretKey(key)+"_VERSION}, and insert it with galley app secret",
				"secret %q: its value comes from the recipe or the environment; expected an external secret", key)
		}
		return "", false
	}
	full = cmp.Or(object.Name, key)
	if c.use("secret", key) && c.checkName("secret", key, full, fileNames) {
		c.out.Secrets[full] = Secret{Name: full, External: true, Labels: maps.Clone(map[string]string(object.Labels))}
	}
	return full, true
}
