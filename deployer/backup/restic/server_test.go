package restic

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// restServer serves a local repository as restic's REST backend does (restic's
// manual, "REST Backend"), for reading and writing.
type restServer struct {
	*httptest.Server
	dir     string
	hangs   atomic.Bool   // whether data that is sent is left unanswered
	hanging chan struct{} // closed at the end of the test
}

func serveREST(t *testing.T, dir string) *restServer {
	t.Helper()
	s := &restServer{dir: dir, hanging: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.hanging); s.Close() })
	return s
}

// url is the repository's location for restic, with a user's name and password.
func (s *restServer) url(user string) string {
	return "rest:" + strings.Replace(s.URL, "://", "://"+user+"@", 1) + "/"
}

func (s *restServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, name, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	file := filepath.Join(s.dir, kind, name)
	if kind == "data" && name != "" {
		file = filepath.Join(s.dir, kind, name[:2], name)
	}
	switch {
	case s.hangs.Load() && kind == "data" && r.Method == http.MethodPost:
		<-s.hanging
	case r.Method == http.MethodPost:
		s.save(w, r, file)
	case r.Method == http.MethodDelete:
		_ = os.Remove(file)
	case name == "" && kind != "config":
		s.list(w, file)
	default:
		http.ServeFile(w, r, file)
	}
}

func (s *restServer) save(w http.ResponseWriter, r *http.Request, file string) {
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *restServer) list(w http.ResponseWriter, dir string) {
	type entry struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	all := []entry{}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, entry{d.Name(), info.Size()})
		}
		return err
	})
	w.Header().Set("Content-Type", "application/vnd.x.restic.rest.v2")
	_ = json.NewEncoder(w).Encode(all)
}
