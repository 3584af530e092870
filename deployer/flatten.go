package deployer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// flatten turns a spec into its values by path: "ContainerSpec.Env[FOO]" → "1".
// Empty strings, lists and objects have no path, so that an empty part and a
// missing one are the same. Lists of things with names are keyed by these, other
// lists stand whole, as JSON.
func flatten(v any) map[string]string {
	flat := map[string]string{}
	data, err := json.Marshal(v)
	if err != nil {
		return flat
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return flat
	}
	flattenInto(flat, "", "", tree)
	return flat
}

// flattenInto writes what stands at path; field is the path's last name.
func flattenInto(flat map[string]string, path, field string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 && slices.Contains(emptyMeans, field) {
			flat[path] = "yes"
		}
		for key, value := range v {
			flattenInto(flat, join(path, field, key), key, value)
		}
	case []any:
		flattenList(flat, path, field, v)
	case string:
		if v != "" {
			flat[path] = v
		}
	case json.Number:
		flat[path] = number(path, field, v)
	case bool:
		flat[path] = fmt.Sprint(v)
	}
}

// emptyMeans are objects that say something by being there.
var emptyMeans = []string{"Global", "GlobalJob", "Runtime"}

// freeKeys are objects whose keys are not the API's but someone's own.
var freeKeys = []string{"Labels", "Options", "Sysctls", "DriverOpts", "AuxiliaryAddresses", "AuxAddress"}

func join(path, field, key string) string {
	switch {
	case path == "":
		return key
	case slices.Contains(freeKeys, field):
		return path + "[" + key + "]"
	}
	return path + "." + key
}

// listKeys say what names the items of a list of objects.
var listKeys = map[string]func(map[string]any) string{
	"Mounts":   func(m map[string]any) string { return text(m["Target"]) },
	"Networks": func(m map[string]any) string { return text(m["Target"]) },
	"Configs":  func(m map[string]any) string { return cmp.Or(fileName(m), text(m["ConfigName"])) },
	"Secrets":  func(m map[string]any) string { return cmp.Or(fileName(m), text(m["SecretName"])) },
	"Ulimits":  func(m map[string]any) string { return text(m["Name"]) },
	"Ports": func(m map[string]any) string {
		return fmt.Sprintf("%s:%s/%s", text(m["PublishedPort"]), text(m["TargetPort"]), text(m["Protocol"]))
	},
}

// fileName is where a config or secret stands in the container: a new version of
// it is then one changed name, and not one object gone and another come.
func fileName(m map[string]any) string {
	file, _ := m["File"].(map[string]any)
	return text(file["Name"])
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func flattenList(flat map[string]string, path, field string, list []any) {
	if len(list) == 0 {
		return
	}
	if field == "Env" {
		for _, item := range list {
			name, value, _ := strings.Cut(text(item), "=")
			flat[path+"["+name+"]"] = value
		}
		return
	}
	name, ok := listKeys[field]
	if !ok {
		data, _ := json.Marshal(list) // came from JSON
		flat[path] = string(data)
		return
	}
	seen := map[string]int{}
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		key := name(object)
		if seen[key]++; seen[key] > 1 { // one config at two places
			key = fmt.Sprintf("%s#%d", key, seen[key])
		}
		flattenInto(flat, path+"["+key+"]", "", object)
	}
}

// durations are fields in nanoseconds.
var durations = []string{"Interval", "Timeout", "StartPeriod", "StartInterval", "StopGracePeriod", "Delay", "Monitor", "Window"}

// number writes a number as people do: durations with units, file modes in octal.
func number(path, field string, n json.Number) string {
	i, err := n.Int64()
	switch {
	case err != nil:
		return n.String()
	case slices.Contains(durations, field):
		return time.Duration(i).String()
	case field == "Mode" && (strings.Contains(path, ".File.") || strings.Contains(path, "TmpfsOptions")):
		return fmt.Sprintf("%#o", i)
	}
	return n.String()
}

// difference lists the paths at which two flat specs differ, sorted.
func difference(have, want map[string]string, mask *masker) []Field {
	paths := map[string]bool{}
	for path := range have {
		paths[path] = true
	}
	for path := range want {
		paths[path] = true
	}
	fields := []Field{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		before, wasThere := have[path]
		after, isThere := want[path]
		if before == after && wasThere == isThere {
			continue
		}
		fields = append(fields, Field{Path: path, Old: mask.field(path, before), New: mask.field(path, after)})
	}
	return fields
}
