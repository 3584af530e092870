package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/registry"
)

func TestRefusedLinesAreBounded(t *testing.T) {
	var out bytes.Buffer
	s := newStreams(strings.NewReader(""), &out, io.Discard)
	refused := refusals{}
	for _, kind := range []string{catalogue.Postponed, catalogue.RefusedLint, catalogue.RefusedTag} {
		var list []catalogue.Refusal
		for i := range map[string]int{catalogue.Postponed: 27, catalogue.RefusedLint: 20, catalogue.RefusedTag: 21}[kind] {
			list = append(list, catalogue.Refusal{Recipe: "web", Version: fmt.Sprintf("1.%d.0+1", i), Kind: kind, Reason: kind})
		}
		refused.print(s, list)
	}
	refused.printRest(s)
	if n := strings.Count(out.String(), "refused: web"); n != 60 {
		t.Errorf("%d lines, expected 60", n)
	}
	want := "refused (postponed): … and 7 more; --report FILE has all\nrefused (tag): … and 1 more; --report FILE has all\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("the end is %q", out.String()[max(0, out.Len()-200):])
	}
}

func TestBuildProgressLine(t *testing.T) {
	var out bytes.Buffer
	s := &streams{err: &out, progress: true}
	s.showBuild(catalogue.Event{
		Stage: catalogue.StageImages, Done: 3, Total: 9, Requests: 12, PerSecond: 4.2,
		Quota: &registry.Quota{Host: "docker.io", Limit: 100, Remaining: 76, Window: time.Hour},
	})
	if want := "images: 3 of 9; 12 requests, 4/s; docker.io leaves 76 of 100"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("progress %q", out.String())
	}
}
