package server

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// TestMergeRotation: log rotation is added to what an engine's configuration has, and
// nothing that somebody chose is lost.
func TestMergeRotation(t *testing.T) {
	const limits = `"log-driver":"json-file","log-opts":{"max-size":"10m","max-file":"3"}`
	for name, c := range map[string]struct{ old, want string }{
		"none":             {"", `{` + limits + `}`},
		"blank":            {" \n", `{` + limits + `}`},
		"other keys":       {`{"insecure-registries":["10.0.0.0/8"],"default-ulimits":{"nofile":{"Hard":64000}}}`, `{"insecure-registries":["10.0.0.0/8"],"default-ulimits":{"nofile":{"Hard":64000}},` + limits + `}`},
		"half of it":       {`{"log-driver":"json-file","log-opts":{"max-size":"50m","labels":"a"}}`, `{"log-driver":"json-file","log-opts":{"max-size":"50m","max-file":"3","labels":"a"}}`},
		"driver left open": {`{"log-opts":{"max-size":"50m","max-file":"9"}}`, `{"log-driver":"json-file","log-opts":{"max-size":"50m","max-file":"9"}}`},
		"large number":     {`{"max-concurrent-downloads":12345678901234567890}`, `{"max-concurrent-downloads":12345678901234567890,` + limits + `}`},
		"all of it":        {`{` + limits + `}`, ""},
		"own limits":       {`{"log-driver":"json-file","log-opts":{"max-size":"1g","max-file":"2"}}`, ""},
		"journald":         {`{"log-driver":"journald"}`, ""},
		"local":            {`{"log-driver":"local","log-opts":{"max-size":"20m"}}`, ""},
		"a plugin":         {`{"log-driver":"our/plugin:1"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			merged, detail, err := mergeRotation([]byte(c.old))
			if err != nil || detail == "" {
				t.Fatalf("detail %q, error %v", detail, err)
			}
			if c.want == "" {
				if merged != nil {
					t.Fatalf("changed to %s, want it left alone", merged)
				}
				return
			}
			sameJSON(t, merged, c.want)
			again, _, err := mergeRotation(merged)
			if err != nil || again != nil {
				t.Errorf("merged again: %s, %v; want nothing to do", again, err)
			}
		})
	}
}

func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var a, b map[string]json.RawMessage
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]json.RawMessage{a, b} {
		for k, v := range m {
			m[k] = compact(t, v)
		}
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// compact is a value with its keys in order; numbers stay the text that they are.
func compact(t *testing.T, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		var tight bytes.Buffer
		if err := json.Compact(&tight, raw); err != nil {
			t.Fatal(err)
		}
		return tight.Bytes()
	}
	for k, v := range object {
		object[k] = compact(t, v)
	}
	out, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMergeRotationRefuses: what galley cannot read it does not write over.
func TestMergeRotationRefuses(t *testing.T) {
	for _, old := range []string{`{`, `[]`, `null`, `"x"`, `{} {}`, `{"a":1,}`, `{"log-driver":7}`, `{"log-opts":"none"}`, `{"log-opts":null}`, "# a comment\n{}"} {
		if merged, _, err := mergeRotation([]byte(old)); err == nil || merged != nil {
			t.Errorf("%s: got %s, want an error", old, merged)
		}
	}
}
