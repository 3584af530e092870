package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/localregistry"
)

func TestTags(t *testing.T) {
	reg := localregistry.StartT(t)
	for _, tag := range []string{"2.0", "1.0", "latest"} {
		reg.PushT(t, "app:"+tag, localregistry.TinyT(t, tag))
	}
	got, err := New(Options{}).Tags(context.Background(), reg.Addr+"/app:1.0")
	if err != nil || !slices.Equal(got, []string{"1.0", "2.0", "latest"}) {
		t.Errorf("tags = %q, %v", got, err)
	}
}

func TestTagsOfWhatIsNotThere(t *testing.T) {
	reg := localregistry.StartT(t)
	_, err := New(Options{}).Tags(context.Background(), reg.Addr+"/nope:1")
	var of *Error
	if !errors.As(err, &of) || of.Kind != NotFound {
		t.Errorf("error = %v, want NotFound", err)
	}
}

func TestTagsFromAServerThatIsNoRegistry(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/tags/list") {
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write([]byte("<html>"))
				return
			}
			next.ServeHTTP(w, r)
		})
	}))
	if tags, err := New(Options{}).Tags(context.Background(), reg.Addr+"/app:1"); err == nil {
		t.Errorf("tags = %q, want an error", tags)
	}
}
