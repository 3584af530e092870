package soak

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// pulls stands in front of the registry and does it harm, a recipe at a time.
type pulls struct {
	missing onOff
	harm    sync.Map // recipe to harm
}

type onOff struct {
	mu sync.Mutex
	on bool
}

func (o *onOff) Store(on bool) { o.mu.Lock(); o.on = on; o.mu.Unlock() }
func (o *onOff) Load() bool    { o.mu.Lock(); defer o.mu.Unlock(); return o.on }

// harm is what a registry may do.
type harm int

const (
	spoils harm = iota + 1 // one byte of each blob is another
	hangsUp
)

func (p *pulls) set(recipe string, h harm) { p.harm.Store(recipe, h) }
func (p *pulls) heal(recipe string)        { p.harm.Delete(recipe) }

func (p *pulls) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
		h, _ := p.harm.Load(path[0])
		switch {
		case h == hangsUp:
			panic(http.ErrAbortHandler)
		case p.missing.Load() && r.Method != http.MethodPut && theStage.isMissing(path):
			http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, http.StatusNotFound)
		case h == spoils && len(path) == 3 && path[1] == "blobs" && r.Method == http.MethodGet:
			next.ServeHTTP(&spoiler{ResponseWriter: w}, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isMissing tells a request for the manifest of a recipe's missing image.
func (s *stage) isMissing(path []string) bool {
	return len(path) == 3 && path[1] == "manifests" && (path[2] == missingTag || path[2] == s.images[path[0]+":"+missingTag].digest)
}

// spoiler changes the first byte of an answer.
type spoiler struct {
	http.ResponseWriter
	done bool
}

func (s *spoiler) Write(data []byte) (int, error) {
	if !s.done && len(data) > 0 {
		s.done = true
		data = slices.Clone(data)
		data[0] ^= 1
	}
	return s.ResponseWriter.Write(data)
}
