// Package backup keeps apps' data in a restic repository and brings it back. A run
// is one backup of one app: a snapshot for each part, and last the manifest that
// lists them. What has no manifest is incomplete, and nobody restores from it.
//
// It refuses to keep anything outside the repository, to read what a manifest does
// not vouch for, and to remove the newest complete run of an app.
package backup

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/schemas"
)

// Kind is what a part holds.
type Kind string

// The kinds of parts. The manifest is the last of a run.
const (
	KindVolume   Kind = "volume"
	KindPath     Kind = "path"
	KindEnv      Kind = "env"
	KindSecrets  Kind = "secrets"
	KindManifest Kind = "manifest"
)

// Part is one stream of a run.
type Part struct {
	Kind     Kind     `json:"kind"`
	Name     string   `json:"name"`     // volume: compose key; path: the path in the container; env: file name; secrets: "secrets.json"
	Volume   string   `json:"volume"`   // full name of the volume on its node, for KindVolume
	Service  string   `json:"service"`  // compose name, for KindPath
	Node     string   `json:"node"`     // host name of the node it was read on, "" for env and secrets
	Paths    []string `json:"paths"`    // what of the volume, relative to it; none for all
	Snapshot string   `json:"snapshot"` // restic's ID
	File     string   `json:"file"`     // its name in the snapshot: "/<domain>/volume-data.tar"
	Bytes    int64    `json:"bytes"`    // of the stream
	Content  int64    `json:"content"`  // bytes of the files' data
	Files    int64    `json:"files"`
	SHA256   string   `json:"sha256"`  // of the stream, hex
	Skipped  []string `json:"skipped"` // sockets, and what else a tar cannot carry; at most 20
}

// Tar tells that the part's stream is a tar.
func (p *Part) Tar() bool { return p.Kind == KindVolume || p.Kind == KindPath }

// Manifest is what a run consists of, and of which version of which recipe it is.
type Manifest struct {
	Format     int       `json:"format"` // ManifestFormat
	Run        string    `json:"run"`
	Domain     string    `json:"domain"`
	Server     string    `json:"server"`
	Stack      string    `json:"stack"`
	Recipe     string    `json:"recipe"`
	Version    string    `json:"version"`
	Entry      string    `json:"entry"` // digest of the catalogue's entry, "" where none speaks for it
	Unverified []string  `json:"unverified"`
	By         string    `json:"by"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	Stopped    []string  `json:"stopped"` // services that were stopped meanwhile
	Secrets    string    `json:"secrets"` // SecretsIncluded, SecretsLeftOut or SecretsNone
	Parts      []Part    `json:"parts"`
	// LeftOut is what of the app is in no part, and why, a line each.
	LeftOut []string `json:"left_out"`
}

const (
	// ManifestFormat is the format that is written, and the only one that is read.
	ManifestFormat = 1
	// manifestLimit bounds a manifest, in bytes.
	manifestLimit = 16 << 20
	// manifestSchema is its schema's name.
	manifestSchema = "backup-manifest"
)

// What a run has of the app's secrets.
const (
	SecretsIncluded = "included"
	SecretsLeftOut  = "left out"
	SecretsNone     = "none"
)

// Bytes is the sum of the parts' streams.
func (m *Manifest) Bytes() (sum int64) {
	for _, p := range m.Parts {
		sum += p.Bytes
	}
	return sum
}

// encode writes a manifest that decodeManifest reads; it refuses any other.
func (m *Manifest) encode() ([]byte, error) {
	whole := *m
	whole.Format = ManifestFormat
	whole.Unverified, whole.Stopped, whole.LeftOut = notNil(m.Unverified), notNil(m.Stopped), notNil(m.LeftOut)
	whole.Started, whole.Ended = m.Started.UTC(), m.Ended.UTC()
	whole.Parts = make([]Part, len(m.Parts))
	for i, p := range m.Parts {
		p.Paths, p.Skipped = notNil(p.Paths), notNil(p.Skipped)
		whole.Parts[i] = p
	}
	data, err := json.MarshalIndent(whole, "", "  ")
	if err == nil && len(data) > manifestLimit {
		err = errTooLarge
	}
	if err == nil {
		err = checkManifest(data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the manifest of run %s: %w", m.Run, err)
	}
	return data, nil
}

var errTooLarge = fmt.Errorf("a manifest has at most %d bytes", manifestLimit)

// checkManifest holds a document against the schema.
func checkManifest(data []byte) error {
	violations, err := schemas.Validate(manifestSchema, data)
	if err == nil && len(violations) > 0 {
		err = fmt.Errorf("it is no manifest: %s: %s", violations[0].Pointer, violations[0].Message)
	}
	return err
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// decodeManifest reads a manifest and refuses one that is not as its schema says, or
// of a format that a later galley writes.
func decodeManifest(data []byte) (*Manifest, error) {
	if len(data) > manifestLimit {
		return nil, errTooLarge
	}
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &format); err != nil {
		return nil, fmt.Errorf("it is no manifest: %w", err)
	}
	if format.Format != ManifestFormat {
		err := fault.New(fault.Unavailable, "the manifest has format %d, this galley reads %d", format.Format, ManifestFormat)
		return nil, fault.Hint(err, "a newer galley wrote it: use that one")
	}
	if err := checkManifest(data); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("it is no manifest: %w", err)
	}
	_, err := m.encode() // encoding/json takes keys in other letters, too, which the schema has not seen
	return m, err
}
