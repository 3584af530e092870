package recipe

import (
	"fmt"
	"strings"
	"testing"
)

func TestOddKeys(t *testing.T) {
	d := ParseDocument("compose.yml", []byte(`x-a: &a {"${B}": c}
services:
  app: {<<: *a, 1: a, "2": b, 1.5: c, true: d, ~: e, 2024-01-01: f, yes: g, "a.${B}": h, $$c: i}
  db:
    <<: [*a, text]
  web:
    <<:
    [1]: a
  again: *a
`))
	var found []string
	for _, key := range d.OddKeys() {
		found = append(found, fmt.Sprintf("%d %s %s %q", key.Kind, key.Top, d.Text.Slice(key.Range), d.Text.Slice(key.Value)))
	}
	want := []string{
		`0 x-a "${B}" "c"`,
		`2 services 1 "a"`, `2 services 1.5 "c"`, `3 services true "d"`, `4 services ~ "e"`, `5 services 2024-01-01 "f"`, `0 services "a.${B}" "h"`,
		`1 services << "[*a, text]"`, `1 services << ""`, `5 services [1] "a"`,
	}
	if got := strings.Join(found, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nexpected\n%s", got, strings.Join(want, "\n"))
	}
	if keys := ParseDocument("compose.yml", []byte("[a, b]")).OddKeys(); keys != nil {
		t.Errorf("a list has odd keys: %v", keys)
	}
}

func TestUnusedAnchors(t *testing.T) {
	d := ParseDocument("compose.yml", []byte(`x-a: &used
  b: &inner c
x-b: !!str &tagged "&quoted"
x-c: [&item 1, &item 2, *item]
x-d: *used
`))
	var found []string
	for _, anchor := range d.UnusedAnchors() {
		found = append(found, fmt.Sprintf("%s %d:%d %s", anchor.Name, anchor.Range.Start.Line, anchor.Range.Start.Column, d.Text.Slice(anchor.Range)))
	}
	want := "inner 2:6 &inner\ntagged 3:12 &tagged\nitem 4:7 &item"
	if got := strings.Join(found, "\n"); got != want {
		t.Errorf("found\n%s\nexpected\n%s", got, want)
	}
}
