package catalogue

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// two are a catalogue with the recipes web and proxy, and one with proxy and more.
func two(t *testing.T) (first, second *world) {
	t.Helper()
	first, second = newWorld(t), newWorld(t)
	first.begin()
	second.begin()
	first.web, second.proxy = webRepo(t), proxyRepo(t)
	first.build(config(first.web), first.path("build"))
	other := config(webRepo(t), second.proxy)
	other.Name = "Second"
	second.build(other, second.path("build"))
	first.sign(start)
	second.sign(start)
	return first, second
}

func clientsOf(t *testing.T, opts ClientOptions, locations ...string) *Clients {
	t.Helper()
	opts.Now = start
	c, err := NewClients(locations, opts, nil)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestClientsPriority(t *testing.T) {
	first, second := two(t)
	a, b := newWebHost(t, first.path("public")), newWebHost(t, second.path("public"))
	tests := []struct{ from, recipe, want string }{
		{"", "web", a.url},
		{"", "proxy", b.url},
		{"Second", "web", b.url},
		{"Test", "web", a.url},
		{b.url, "web", b.url},
	}
	for _, tt := range tests {
		got, err := clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), tt.from, tt.recipe)
		must(t, err)
		if got.Info().Location != tt.want {
			t.Errorf("%q from %q comes from %s, expected %s", tt.recipe, tt.from, got.Info().Location, tt.want)
		}
	}
	b.requests()
	_, err := clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "", "web")
	must(t, err)
	if asked := b.requests(); len(asked) > 0 {
		t.Errorf("a catalogue that is not needed was asked for %q", asked)
	}
	_, err = clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "", "proxi")
	wants(t, err, fault.Unavailable, "not in the catalogue "+a.url+", nor in "+b.url)
	if fault.HintOf(err) != "did you mean proxy?" {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	_, err = clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "Third", "web")
	wants(t, err, fault.Usage, `none of the catalogues is named "Third"`)
}

// TestClientsFailClosed: whoever silences or spoils the first catalogue does not
// get to choose the publisher.
func TestClientsFailClosed(t *testing.T) {
	first, second := two(t)
	a, b := newWebHost(t, first.path("public")), newWebHost(t, second.path("public"))
	a.answer(down)
	_, err := clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "", "proxy")
	wants(t, err, fault.Unavailable, "answered 503")
	if !strings.Contains(fault.HintOf(err), "are not asked in its place") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	got, err := clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), b.url, "proxy")
	if err != nil || got.Info().Location != b.url {
		t.Errorf("named by its address: %v, %v", got, err)
	}
	a.answer(nil)
	c := clientsOf(t, first.kept(), a.url, b.url)
	_, err = c.For(t.Context(), "", "web")
	must(t, err)
	// Offline the first catalogue may not know whether it has proxy: of the bins,
	// those that were needed are kept.
	a.answer(down)
	_, err = clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "", "web")
	must(t, err)
	flip(t, filepath.Join(first.path("public"), trust.TimestampName), 100)
	a.answer(nil)
	_, err = clientsOf(t, first.kept(), a.url, b.url).For(t.Context(), "", "proxy")
	wants(t, err, fault.Refused, "timestamp.json")
}

// TestClientsGoneRecipe: a recipe that was used from the first does not come from
// the second because the first does not have it any more.
func TestClientsGoneRecipe(t *testing.T) {
	first, second := two(t)
	opts := first.kept()
	_, err := clientsOf(t, opts, first.path("public"), second.path("public")).For(t.Context(), "", "web")
	must(t, err)
	// The same address, and its root pinned anew: another catalogue, without web.
	other := newWorld(t)
	other.begin()
	other.proxy = proxyRepo(t)
	other.build(config(other.proxy), other.path("build"))
	other.sign(start)
	must(t, os.RemoveAll(first.path("public")))
	copyTree(t, other.path("public"), first.path("public"))
	root, err := os.ReadFile(filepath.Join(other.path("public"), trust.Name(trust.Root, 1)))
	must(t, err)
	pinned := first.path("public") + pinMark + trust.Fingerprint(root)
	must(t, os.RemoveAll(first.path("state/"+stateName(first.path("public")))))
	_, err = clientsOf(t, opts, pinned, second.path("public")).For(t.Context(), "", "web")
	wants(t, err, fault.Refused, `recipe "web" was used from catalogue `+first.path("public"))
	_, err = clientsOf(t, opts, pinned, second.path("public")).For(t.Context(), "Second", "web")
	must(t, err)
}

func TestClientPinnedFingerprint(t *testing.T) {
	w, other := published(t), published(t)
	fingerprint := func(w *world) string {
		root, err := os.ReadFile(filepath.Join(w.path("public"), trust.Name(trust.Root, 1)))
		must(t, err)
		return trust.Fingerprint(root)
	}
	right, wrong := w.path("public")+pinMark+fingerprint(w), w.path("public")+pinMark+fingerprint(other)
	_, err := w.open(wrong, w.kept())
	wants(t, err, fault.Refused, "metadata/1.root.json is not the pinned root: its fingerprint is "+fingerprint(w))
	c, err := w.open(right, w.kept())
	must(t, err)
	if info := c.Info(); info.FirstUse || info.Location != w.path("public") {
		t.Errorf("info %+v", info)
	}
	_, err = w.open(wrong, w.kept()) // trusted before, and not by this fingerprint
	wants(t, err, fault.Refused, "is not the pinned root")
	for location, want := range map[string]string{
		w.path("public") + "#sha256:abc":                         "is no fingerprint",
		w.path("public") + "#sha256:":                            "is no fingerprint",
		"https://example.org/#sha256:" + strings.Repeat("g", 64): "is no fingerprint",
	} {
		_, err := w.open(location, ClientOptions{})
		wants(t, err, fault.Usage, want)
	}
	root, err := os.ReadFile(w.signOptions(start).Root)
	must(t, err)
	_, err = w.open(right, ClientOptions{Root: root})
	wants(t, err, fault.Usage, "expected one of them")
	_, err = NewClients([]string{"a", "b"}, ClientOptions{Root: root}, nil)
	wants(t, err, fault.Usage, "one root is pinned for 2 catalogues")
}

// TestClientSame: one operator came to trust the first root, another the second.
func TestClientSame(t *testing.T) {
	w, other := published(t), published(t)
	fingerprint := func(w *world, version int64) string {
		root, err := os.ReadFile(filepath.Join(w.path("public"), trust.Name(trust.Root, version)))
		must(t, err)
		return trust.Fingerprint(root)
	}
	same := func(c *Client, fingerprint string) bool {
		same, err := c.Same(context.Background(), fingerprint)
		must(t, err)
		return same
	}
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	if !same(c, fingerprint(w, 1)) || same(c, fingerprint(other, 1)) {
		t.Error("a catalogue with one root is not the same as itself alone")
	}
	rotateRoot(t, w, start.Add(time.Hour))
	root, err := os.ReadFile(filepath.Join(w.path("public"), trust.Name(trust.Root, 2)))
	must(t, err)
	late, err := w.open(w.path("public"), ClientOptions{Root: root})
	must(t, err)
	if late.Info().Fingerprint != fingerprint(w, 2) || !same(late, fingerprint(w, 1)) || same(late, fingerprint(other, 1)) {
		t.Error("a catalogue trusted from its second root is not told from others")
	}
}

// rotateRoot signs a second root with the publisher's own keys, and publishes it.
func rotateRoot(t *testing.T, w *world, now time.Time) {
	t.Helper()
	sign := w.signOptions(now)
	box := KeyOptions{Keys: sign.Keys, Root: sign.Root, Public: sign.Public, Now: now}
	_, err := RenewRoot(box)
	must(t, err)
	p, err := SignProposal(box)
	must(t, err)
	if !p.Installed {
		t.Fatalf("the second root is not in place: %+v", p)
	}
	w.sign(now)
}

// TestPinErrorsShowNoPassword: an address may hold a login.
func TestPinErrorsShowNoPassword(t *testing.T) {
	_, _, split := SplitPin("https://me:secret@example.org/coop#sha256:12")
	_, several := NewClients([]string{"https://me:secret@example.org/coop", "b"}, ClientOptions{Root: []byte("{}")}, nil)
	_, both := Open(t.Context(), "https://me:secret@example.org/coop"+pinMark+strings.Repeat("0", 64), ClientOptions{Root: []byte("{}")})
	for _, err := range []error{split, several, both} {
		if text := err.Error() + fault.HintOf(err); strings.Contains(text, "secret") || fault.KindOf(err) != fault.Usage {
			t.Errorf("error of kind %d: %s", fault.KindOf(err), text)
		}
	}
}
