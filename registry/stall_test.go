package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// stalled answers nothing until the client goes away.
func stalled(_ http.ResponseWriter, req *http.Request) bool {
	<-req.Context().Done()
	return true
}

func TestStalls(t *testing.T) {
	reg := localregistry.StartT(t, spoil(stalled))
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))

	quick := resolverFor(t, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	_, err := quick.Resolve(t.Context(), reg.Addr+"/web:1")
	wantError(t, err, Timeout, fault.Unavailable)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = resolverFor(t, nil).Resolve(ctx, reg.Addr+"/web:1")
	wantError(t, err, Timeout, fault.Unavailable)
}

func TestBodyThatStalls(t *testing.T) {
	reg := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodHead {
			return false
		}
		w.Header().Set("Content-Type", string(types.OCIImageIndex))
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		return stalled(w, req)
	}))
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	_, err := r.Resolve(t.Context(), reg.Addr+"/web:1")
	wantError(t, err, Timeout, fault.Unavailable)
}

func TestHostThatStallsCostsOneTimeout(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithHandler(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { stalled(w, req) })
	}))
	var refs []string
	for i := range 40 {
		refs = append(refs, fmt.Sprintf("%s/web%d:1", reg.Addr, i))
	}
	r := resolverFor(t, func(o *Options) { o.Timeout = 500 * time.Millisecond })
	for ref, res := range r.ResolveAll(t.Context(), refs, nil) {
		if !strings.HasSuffix(ref, ":1") {
			t.Fatalf("unexpected key %q", ref)
		}
		wantError(t, res.Err, Timeout, fault.Unavailable)
	}
	// https and http are tried once each, and not again for every reference.
	if asked := len(reg.Requests()); asked == 0 || asked > 2 {
		t.Errorf("40 references of a stalled host sent %d requests, want at most 2", asked)
	}
}

func TestCancelIsNoRegistryFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reg := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		cancel()
		return stalled(w, req)
	}))
	_, err := resolverFor(t, nil).Resolve(ctx, reg.Addr+"/web:1")
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Interrupted {
		t.Errorf("got %v of kind %d, want context.Canceled, interrupted", err, fault.KindOf(err))
	}
}

func TestGateThatClosesWhileWaitingForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		first, err := g.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan error, 1)
		go func() {
			_, err := g.enter(t.Context(), false)
			second <- err
		}()
		synctest.Wait() // the second one waits for the slot
		g.closeFor(time.Hour)
		first.back()
		var limit *limitError
		if err := <-second; !errors.As(err, &limit) {
			t.Errorf("the second request got %v, want the rate limit", err)
		}
	})
}

func TestGateThatRunsDryTellsEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		last, err := g.enter(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		last.hear(Quota{Remaining: 1})
		last.back()
		if last, err = g.enter(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		const waiting = 9
		answers := make(chan error, waiting)
		for range waiting {
			go func() {
				_, err := g.enter(t.Context(), true)
				answers <- err
			}()
		}
		synctest.Wait() // all wait for what the last one hears
		last.hear(Quota{Remaining: 0})
		last.back()
		for range waiting {
			var limit *limitError
			if err := <-answers; !errors.As(err, &limit) || !limit.spent {
				t.Errorf("got %v, want the spent quota", err)
			}
		}
	})
}

func TestGateServesWhatWasBegunFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		p, err := g.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan int, 5)
		for _, order := range []int{3, 1, 4, 2, 5} {
			go func() {
				p, err := g.enter(withOrder(t.Context(), order), false)
				if err != nil {
					t.Error(err)
					return
				}
				served <- order
				p.back()
			}()
			synctest.Wait()
		}
		p.back()
		for want := 1; want <= 5; want++ {
			if got := <-served; got != want {
				t.Errorf("%d was served when %d was first", got, want)
			}
		}
	})
}

func TestGateForgetsWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		p, err := g.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := g.enter(ctx, false)
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		p.back()
		if p, err = g.enter(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		p.back()
		if g.free != 1 || len(g.waiting) != 0 {
			t.Errorf("%d slots free and %d waiting, want 1 and 0", g.free, len(g.waiting))
		}
	})
}
