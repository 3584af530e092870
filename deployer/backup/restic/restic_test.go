package restic

import (
	"bytes"
	"context"
	"slices"
	"testing"
)

func background() context.Context { return context.Background() }

func TestStoreListAndDump(t *testing.T) {
	r, p := fresh(t)
	p.intact(t, r)
	options := StoreOptions{File: "/app.example.org/env", Host: "prod2", Tags: []string{"galley", "app:app.example.org"}}
	if _, err := r.Store(t.Context(), options, giving(nil)); err == nil {
		t.Fatal("an empty stream, which restic makes no file of, was stored")
	}
	stored, err := r.Store(t.Context(), options, giving([]byte("TYPE=a\n")))
	if err != nil || stored.Bytes != 7 {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	all := count(t, r, 2)
	first := all[0]
	if first.Host != "prod1" || !first.Time.Equal(preparedTime) || !slices.Equal(first.Tags, []string{"galley", "first"}) ||
		!slices.Equal(first.Paths, []string{preparedFile}) || len(first.ID) != 64 || first.ID[:len(p.snapshot)] != p.snapshot {
		t.Errorf("the first snapshot is %+v", first)
	}
	some, err := r.Snapshots(t.Context(), Filter{Host: "prod2", Tags: options.Tags})
	if err != nil || len(some) != 1 || some[0].Paths[0] != options.File {
		t.Errorf("of prod2 there is %+v, %v", some, err)
	}
	var got bytes.Buffer
	if err := r.Dump(t.Context(), stored.Snapshot, options.File, &got); err != nil || got.String() != "TYPE=a\n" {
		t.Errorf("the stream reads back as %q, %v", got.String(), err)
	}
	if err := r.Dump(t.Context(), stored.Snapshot, "/nowhere", &got); !Is(err, NotThere) {
		t.Errorf("a file that is not there: %v", err)
	}
}
