package backups

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// listRepository answers with the names of a kind of file.
func listRepository(w http.ResponseWriter, dir string) error {
	names := []string{}
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.x.restic.rest.v1")
	return json.NewEncoder(w).Encode(names)
}

func receive(name string, r *http.Request) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}
