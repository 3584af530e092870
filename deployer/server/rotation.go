package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// daemonFile is the engine's configuration.
const daemonFile = "/etc/docker/daemon.json"

// rotation are the log options that keep a container's log from filling the disk: the
// engine's own default is a file that only grows.
var rotation = []struct{ key, value string }{{"max-size", "10m"}, {"max-file", "3"}}

// rotating are the log drivers that need no options for it: their logs are kept, and
// limited, elsewhere. "local" rotates by itself.
var rotating = []string{"local", "journald", "syslog", "none", "fluentd", "gelf", "awslogs", "gcplogs", "splunk", "etwlogs", "logentries"}

// mergeRotation adds log rotation to the engine's configuration and keeps everything
// else in it, also limits that somebody else chose. It returns nil for a file that is
// to stay as it is, and says in a few words what the logs' limits are then. What is no
// JSON object is refused.
func mergeRotation(old []byte) (merged []byte, detail string, err error) {
	top, err := object(old)
	if err != nil {
		return nil, "", err
	}
	driver := ""
	if raw, ok := top["log-driver"]; ok {
		if err := json.Unmarshal(raw, &driver); err != nil {
			return nil, "", badDaemon("log-driver is %s, expected a text", raw)
		}
	}
	if driver != "" && driver != "json-file" {
		if slices.Contains(rotating, driver) {
			return nil, "the log driver is " + driver, nil
		}
		return nil, fmt.Sprintf("the log driver is %q: see to it that it limits its logs", driver), nil
	}
	options := map[string]json.RawMessage{}
	if raw, ok := top["log-opts"]; ok {
		if err := json.Unmarshal(raw, &options); err != nil || options == nil {
			return nil, "", badDaemon("log-opts is %s, expected an object", raw)
		}
	}
	changed := driver == ""
	for _, o := range rotation {
		if _, has := options[o.key]; !has {
			options[o.key], changed = text(o.value), true
		}
	}
	detail = fmt.Sprintf("json-file, max-size %s, max-file %s", bare(options["max-size"]), bare(options["max-file"]))
	if !changed {
		return nil, detail, nil
	}
	top["log-driver"] = text("json-file")
	if top["log-opts"], err = json.Marshal(options); err != nil {
		return nil, "", badDaemon("%s", err)
	}
	merged, err = json.MarshalIndent(top, "", "    ")
	return append(merged, '\n'), detail, err
}

// object reads a JSON object, by its keys. An empty file is an empty one.
func object(data []byte) (map[string]json.RawMessage, error) {
	top := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(data)) == 0 {
		return top, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&top); err != nil {
		return nil, badDaemon("%s", err)
	}
	if top == nil || d.More() {
		return nil, badDaemon("expected one JSON object")
	}
	return top, nil
}

func badDaemon(format string, args ...any) error {
	err := fmt.Errorf("%s is no configuration of an engine: %s", daemonFile, fmt.Sprintf(format, args...))
	return fault.Hint(err, "set it right by hand, or move it away; galley merges only into what it can read")
}

func text(value string) json.RawMessage {
	raw, _ := json.Marshal(value) // a text always can be
	return raw
}

func bare(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }
