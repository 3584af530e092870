package catalogue

import (
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// TestRecordedNeedsNoMetadata reads what a swarm remembers of a catalogue that no
// client would open any more.
func TestRecordedNeedsNoMetadata(t *testing.T) {
	w := published(t)
	host := newWebHost(t, w.path("public"))
	hash := headIn(t, w.path("public"), "web").Release("1.0.0+1.0").Entry
	if _, err := w.open(host.url, ClientOptions{Now: start.Add(100 * 24 * time.Hour)}); fault.KindOf(err) != fault.Refused {
		t.Fatalf("the catalogue should have expired: %v", err)
	}
	cache := w.path("cache")
	read := func(locations ...string) error {
		r := OpenRecorded(locations, ClientOptions{CacheDir: cache})
		defer r.Close()
		entry, err := r.Entry(t.Context(), "web", "1.0.0+1.0", hash)
		if err != nil {
			return err
		}
		files, err := r.Bundle(t.Context(), entry)
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(files, "compose.yml")
		if err == nil && !strings.Contains(string(data), "acme/web:1.0") {
			t.Errorf("the compose file is %q", data)
		}
		return err
	}
	host.answer(down)
	wants(t, read(host.url), fault.Unavailable, "which was deployed before: reading catalogue "+host.url)
	host.answer(nil)
	host.requests() // those so far
	if err := read(host.url); err != nil {
		t.Fatal(err)
	}
	for _, path := range host.requests() {
		if strings.Contains(path, "metadata") {
			t.Errorf("it asked for %s", path)
		}
	}

	t.Log("from the cache when the host is gone, also under another address")
	host.answer(dead)
	for _, location := range []string{host.url, filepath.Join(t.TempDir(), "gone")} {
		if err := read(location); err != nil {
			t.Error(err)
		}
	}

	if err := read(); err != nil { // nor is one named
		t.Error(err)
	}

	t.Log("from the second catalogue when the first has it not")
	cache = ""
	host.answer(http.NotFound)
	wants(t, read(host.url), fault.Unavailable, "it is not there")
	if err := read(host.url, w.path("public")); err != nil {
		t.Error(err)
	}
	wants(t, read(), fault.Unavailable, "no catalogue is named")
}

func TestRecordedRefusesOtherBytes(t *testing.T) {
	w := published(t)
	head := headIn(t, w.path("public"), "web")
	hash := head.Release("1.0.0+1.0").Entry
	entry := entryIn(t, w.path("public"), "web", "1.0.0+1.0")
	r := OpenRecorded([]string{w.path("public")}, ClientOptions{})
	defer r.Close()
	_, err := r.Entry(t.Context(), "web", "1.0.0+1.0", "../"+hash[3:])
	wants(t, err, fault.Refused, "is no SHA-256")
	_, err = r.Entry(t.Context(), "web", "1.1.0+1.1", hash)
	wants(t, err, fault.Refused, "expected web@1.1.0+1.1")
	_, err = r.Entry(t.Context(), "proxy", "1.0.0+1.0", hash)
	wants(t, err, fault.Refused, "expected proxy@1.0.0+1.0")

	flip(t, filepath.Join(w.path("public"), entry.Bundle.Path()), 600)
	_, err = r.Bundle(t.Context(), entry)
	wants(t, err, fault.Refused, errWrongName.Error())
	flip(t, filepath.Join(w.path("public"), entryPath(hash)), 40)
	_, err = r.Entry(t.Context(), "web", "1.0.0+1.0", hash)
	wants(t, err, fault.Refused, errWrongName.Error())
}

func TestUpgradeTakesTheNewestThatMayBeTaken(t *testing.T) {
	w := published(t)
	w.release()
	w.sign(start)
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	r, err := c.Recipe(t.Context(), "web")
	must(t, err)
	find := func(from string, take func(*Entry) string) string {
		t.Helper()
		entry, passed, err := c.Upgrade(t.Context(), r, from, take)
		must(t, err)
		said := []string{"-"}
		if entry != nil {
			said[0] = entry.Version
		}
		for _, p := range passed {
			said = append(said, p.Version+": "+p.Reason)
		}
		return strings.Join(said, "; ")
	}
	all := func(*Entry) string { return "" }
	not := func(version string) func(*Entry) string {
		return func(e *Entry) string {
			if e.Version == version {
				return "not that"
			}
			return ""
		}
	}
	for _, c := range []struct{ got, want string }{
		{find("1.0.0+1.0", all), "1.2.0+1.2"},
		{find("1.2.0+1.2", all), "-"},
		{find("1.2.0+1.1", all), "1.2.0+1.2"},
		{find("9.0.0+1.0", all), "-"},
		{find("1.0.0+1.0", not("1.2.0+1.2")), "1.1.0+1.1; 1.2.0+1.2: not that"},
		{find("1.1.0+1.1", not("1.2.0+1.2")), "-; 1.2.0+1.2: not that"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	r.Release("1.2.0+1.2").Withdrawn = &Withdrawal{Yanked, "bad"}
	if got, want := find("1.0.0+1.0", all), "1.1.0+1.1; 1.2.0+1.2: withdrawn (yanked: bad)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, _, err := c.Upgrade(t.Context(), r, "main", all); err == nil {
		t.Error("what is no version has upgrades")
	}
}
