package deployer

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// convertedKeys are the keys of a service that conversion reads. Any other key
// that is set is reported, so that one which compose gains tomorrow is not lost
// quietly.
var convertedKeys = []string{
	"image", "command", "entrypoint", "environment", "env_file", "hostname", "user", "working_dir", "tty", "stdin_open",
	"read_only", "init", "stop_signal", "stop_grace_period", "healthcheck", "labels", "logging", "dns", "dns_search", "dns_opt",
	"extra_hosts", "cap_add", "cap_drop", "sysctls", "ulimits", "tmpfs", "volumes", "networks", "network_mode", "secrets",
	"configs", "ports", "isolation", "credential_spec", "deploy", "group_add", "security_opt", "oom_score_adj",
	"restart",  // read by restartPolicy, which says how
	"profiles", // only services without any get here
}

// ignoredKeys say more than that a key is ignored.
var ignoredKeys = map[string]string{
	"depends_on":      "swarm ignores depends_on; it orders the deploy, and tasks do not wait for each other",
	"build":           "swarm ignores build; the image is pulled",
	"privileged":      "swarm ignores privileged; tasks never are",
	"devices":         "swarm ignores devices; a bind mount and cap_add may do",
	"container_name":  "swarm ignores container_name; tasks have names of their own",
	"links":           "swarm ignores links; services of one network find each other by name",
	"external_links":  "swarm ignores external_links; use a shared network",
	"expose":          "swarm ignores expose; services of one network reach every port",
	"scale":           "swarm ignores scale; use deploy.replicas",
	"mem_limit":       "swarm ignores mem_limit; use deploy.resources.limits.memory",
	"mem_reservation": "swarm ignores mem_reservation; use deploy.resources.reservations.memory",
	"cpus":            "swarm ignores cpus; use deploy.resources.limits.cpus",
	"pids_limit":      "swarm ignores pids_limit; use deploy.resources.limits.pids",
	"platform":        "swarm ignores platform; use a placement constraint",
	"shm_size":        "swarm ignores shm_size; mount a tmpfs at /dev/shm",
	"log_driver":      "swarm ignores log_driver; use logging.driver",
	"log_opt":         "swarm ignores log_opt; use logging.options",
	"pull_policy":     "swarm ignores pull_policy; images are pinned by digest",
}

// ignored reports the service's keys that do nothing in swarm.
func (c *converter) ignored(name string, s types.ServiceConfig) {
	for _, key := range setKeys(s) {
		if slices.Contains(convertedKeys, key) {
			continue
		}
		if says, ok := ignoredKeys[key]; ok {
			c.warn("%s", at(name, says))
			continue
		}
		c.warn("%s", at(name, "swarm ignores "+key))
	}
}

// setKeys are the compose keys of a service that have a value.
func setKeys(s types.ServiceConfig) []string {
	data, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil
	}
	maps.DeleteFunc(keys, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return slices.Sorted(maps.Keys(keys))
}
