package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
)

// What caches may do. A file whose name changes with its content is kept for a
// year and never asked for again; one that changes in place is asked for each
// time, which its ETag makes cheap. An answer that something is not there is not
// kept at all: clients find the next root by asking for one that is not there.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
	cacheNever   = "no-store"
)

// servedFolder answers GET and HEAD for the files of a catalogue. It compresses
// nothing: clients hash what they get, ranges and ETags are of these bytes, and
// not every TUF client undoes a Content-Encoding.
//
// There is no Last-Modified: two catalogues that are published within a second
// would look alike.
type servedFolder struct {
	root *os.Root

	mu   sync.Mutex
	sums map[string]summed // by name: a file is hashed once
}

// summed is a file as it was hashed. Publishing replaces files, it does not write
// into them, so another file is seen.
type summed struct {
	info   fs.FileInfo
	sha256 string
}

func newServedFolder(name string) (*servedFolder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &servedFolder{root: root, sums: map[string]summed{}}, nil
}

// Close frees the folder.
func (f *servedFolder) Close() error { return f.root.Close() }

// ServeHTTP answers one request.
func (f *servedFolder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		answerStatus(w, http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok || !fs.ValidPath(name) || !isServed(name) {
		answerStatus(w, http.StatusNotFound)
		return
	}
	file, info, err := f.open(name)
	if err != nil {
		answerStatus(w, statusOf(err))
		return
	}
	defer file.Close()
	sum, err := f.sum(name, file, info)
	if err != nil {
		answerStatus(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	w.Header().Set("Cache-Control", caching(name, sum))
	w.Header().Set("ETag", `"`+sum+`"`)
	http.ServeContent(w, r, "", time.Time{}, file)
}

func answerStatus(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", cacheNever)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)+"\n")
}

func statusOf(err error) int {
	if errors.Is(err, fs.ErrPermission) {
		return http.StatusForbidden
	}
	return http.StatusNotFound // or a link that leads out of the folder
}

// open opens a regular file; a pipe would never open.
func (f *servedFolder) open(name string) (*os.File, fs.FileInfo, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

// sum is the SHA-256 of an open file, which is at its beginning afterwards.
func (f *servedFolder) sum(name string, file *os.File, info fs.FileInfo) (string, error) {
	f.mu.Lock()
	known, ok := f.sums[name]
	f.mu.Unlock()
	if ok && os.SameFile(known.info, info) && known.info.Size() == info.Size() && known.info.ModTime().Equal(info.ModTime()) {
		return known.sha256, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sums[name] = summed{info, sum}
	return sum, nil
}

// isServed tells the files of a published catalogue by their names. Everything
// else in the folder is nobody's business: what is being written, dot files,
// what lies there by mistake.
func isServed(name string) bool {
	_, _, isMetadata := trust.ParseName(name)
	_, _, isHashed := targetOf(name)
	return isMetadata || isHashed || isContent(name) || isTarget(name) || name == trust.RootCopyName
}

// caching tells how long a file with this content may be kept. A hash in the name
// counts only when it is right: a damaged file is not kept for a year, and a
// recipe may be called like a hash.
func caching(name, sha256 string) string {
	role, _, isMetadata := trust.ParseName(name)
	_, hash, isHashed := targetOf(name)
	switch {
	case isMetadata && role != trust.Timestamp,
		isHashed && hash == sha256,
		isContent(name) && strings.HasPrefix(path.Base(name), sha256):
		return cacheForever
	}
	return cacheAsk
}

func contentType(name string) string {
	if path.Ext(name) == ".tar" {
		return "application/x-tar"
	}
	return "application/json"
}

// accessLog calls log after each request.
func accessLog(next http.Handler, log func(Access)) http.Handler {
	if log == nil {
		return next
	}
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		counted := &countedAnswer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		mu.Lock()
		defer mu.Unlock()
		log(Access{r.RemoteAddr, r.Method, r.URL.Path, counted.status, counted.bytes, time.Since(began)})
	})
}

// countedAnswer notes what was answered.
type countedAnswer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (c *countedAnswer) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader notes the status.
func (c *countedAnswer) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write counts the body.
func (c *countedAnswer) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}
