package schemas

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestEverySchemaCompilesAndStandsAlone(t *testing.T) {
	if !slices.Contains(Names(), "stack") {
		t.Fatalf("schemas %q lack stack", Names())
	}
	for _, name := range Names() {
		if _, err := Compile(name); err != nil {
			t.Errorf("schema %q: %v", name, err)
		}
		data, err := FS.ReadFile(name + suffix)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("schema %q: %v", name, err)
		}
		for _, ref := range refs(doc) {
			if !strings.HasPrefix(ref, "#") {
				t.Errorf("schema %q refers to %q; expected itself only", name, ref)
			}
		}
	}
}

func refs(doc any) []string {
	var found []string
	switch v := doc.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			found = append(found, ref)
		}
		for _, child := range v {
			found = append(found, refs(child)...)
		}
	case []any:
		for _, child := range v {
			found = append(found, refs(child)...)
		}
	}
	return found
}

func TestUnknownSchema(t *testing.T) {
	for _, name := range []string{"", "nothing", "../schemas", "stack.schema.json"} {
		if _, err := Compile(name); err == nil || !strings.Contains(err.Error(), "expected one of") {
			t.Errorf("Compile(%q) = %v; expected an error that lists the names", name, err)
		}
	}
}

func TestViolationsPointAtKeysAndValues(t *testing.T) {
	tests := []struct{ doc, pointer, kind, expected string }{
		{`{"services": {"a.b/c~d": {"image": 1}}}`, "/services/a.b~1c~0d/image", "invalid_type", "string"},
		{`{"services": {"app": {"bogus": 1}}}`, "/services/app/bogus", "additional_property_not_allowed", ""},
		{`{"bogus": 1}`, "/bogus", "additional_property_not_allowed", ""},
		{`[]`, "", "invalid_type", "object"},
		{`{"services": {"app": {"volumes": ["a", {"target": "/x"}]}}}`, "/services/app/volumes/1", "required", "type"},
		{`{"services": {"app": {"deploy": {"endpoint_mode": "x"}}}}`, "/services/app/deploy/endpoint_mode", "enum", `"vip", "dnsrr"`},
		{`{"services": {"app": {"ports": [1e400, true]}}}`, "/services/app/ports/1", "invalid_type", "number, string, object"},
	}
	for _, test := range tests {
		t.Run(test.doc, func(t *testing.T) {
			found, err := Validate("stack", []byte(test.doc))
			if err != nil || len(found) != 1 {
				t.Fatalf("violations %+v, error %v; expected one violation", found, err)
			}
			v := found[0]
			if v.Pointer != test.pointer || v.Kind != test.kind || v.Expected != test.expected || v.Message == "" {
				t.Errorf("violation %+v; expected %q %q %q and a message", v, test.pointer, test.kind, test.expected)
			}
		})
	}
}

func TestPathUndoesThePointer(t *testing.T) {
	got := Violation{Pointer: "/services/a.b~1c~0d/0"}.Path()
	if want := []string{"services", "a.b/c~d", "0"}; !slices.Equal(got, want) {
		t.Errorf("path %q, expected %q", got, want)
	}
	if got := (Violation{}).Path(); got != nil {
		t.Errorf("path of the whole document is %q", got)
	}
}

func TestWhatIsNoJSON(t *testing.T) {
	for _, doc := range []string{"", "{", "{} {}", "services:", "\xff"} {
		if _, err := Validate("stack", []byte(doc)); err == nil {
			t.Errorf("Validate(%q) found no error", doc)
		}
	}
}

func TestNumbersThatJSONDoesNotHave(t *testing.T) {
	for _, value := range []any{math.Inf(1), math.NaN(), json.Number("1e999999999")} {
		doc := map[string]any{"services": map[string]any{"app": map[string]any{"deploy": map[string]any{"replicas": value}}}}
		found, err := ValidateValue("stack", doc)
		if err != nil || len(found) != 1 || found[0].Kind != "invalid_type" {
			t.Errorf("%v: violations %+v, error %v; expected a wrong type", value, found, err)
		}
	}
	for _, value := range []any{1, int64(2), uint64(3), 4.0, json.Number("5")} {
		doc := map[string]any{"services": map[string]any{"app": map[string]any{"deploy": map[string]any{"replicas": value}}}}
		if found, err := ValidateValue("stack", doc); err != nil || len(found) != 0 {
			t.Errorf("%v (%T): violations %+v, error %v; expected none", value, value, found, err)
		}
	}
}

func TestViolationsAreInAStableOrder(t *testing.T) {
	doc := []byte(`{"z": 1, "a": 1, "m": 1, "services": {"c": 1, "b": 1}}`)
	first, err := Validate("stack", doc)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := Validate("stack", doc); !slices.Equal(first, again) {
			t.Fatalf("violations %+v, then %+v", first, again)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if found, err := Validate("stack", []byte(`{"x": 1}`)); err != nil || len(found) != 1 {
				t.Errorf("violations %+v, error %v", found, err)
			}
		})
	}
	group.Wait()
}

func BenchmarkStack(b *testing.B) {
	doc := map[string]any{"version": "3.8", "services": map[string]any{"app": map[string]any{
		"image": "a:1", "environment": map[string]any{"A": "b", "C": 1}, "networks": []any{"n"},
		"deploy": map[string]any{"labels": []any{"a=b", "c=d"}, "update_config": map[string]any{"order": "start-first"}},
	}}}
	for b.Loop() {
		if found, err := ValidateValue("stack", doc); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}

// TestExtensionsAreAllowedWhereTheyWere: documents without keys that start with
// "x-" are checked by a schema that does not know of them, with the same answer.
func TestExtensionsAreAllowedWhereTheyWere(t *testing.T) {
	const service = `{"services": {"app": {"image": "a", "deploy": {"mode": 1, %s "replicas": -1}, "ports": [{"target": "x"}]}}}`
	without, err := Validate("stack", []byte(strings.Replace(service, "%s", "", 1)))
	if err != nil || len(without) < 3 {
		t.Fatalf("violations %+v, error %v; expected three", without, err)
	}
	with, err := Validate("stack", []byte(strings.Replace(service, "%s", `"x-why": {"x": 1},`, 1)))
	if err != nil || !slices.Equal(with, without) {
		t.Errorf("violations %+v, error %v; expected %+v", with, err, without)
	}
	above, err := Validate("stack", []byte(strings.Replace(strings.Replace(service, "%s", "", 1), "{", `{"x-a": 1, "x-b": {"x-c": 2}, `, 1)))
	if err != nil || !slices.Equal(above, without) {
		t.Errorf("violations %+v, error %v; expected %+v", above, err, without)
	}
	if found, err := Validate("galley-config", []byte(`{"x-a": 1}`)); err != nil || len(found) != 1 {
		t.Errorf("violations %+v, error %v; expected one: this schema takes no extensions", found, err)
	}
	if found, err := Validate("stack", []byte(`{"services": {}, "y-why": 1}`)); err != nil || len(found) != 1 {
		t.Errorf("violations %+v, error %v; expected one", found, err)
	}
}

func TestPlainLeavesTheDocumentAlone(t *testing.T) {
	inner := map[string]any{"n": 1, "s": "x"}
	doc := map[string]any{"a": []any{inner, "y"}}
	if _, err := ValidateValue("stack", doc); err != nil {
		t.Fatal(err)
	}
	if _, ok := inner["n"].(int); !ok || len(inner) != 2 {
		t.Errorf("the document became %v", doc)
	}
}
