package trust

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// File is what metadata says of another file.
type File struct {
	Version int64 // of metadata files; 0 for targets
	Length  int64 // bytes
	SHA256  string
}

// Document is one metadata file, parsed. Whether it is signed, a Chain says.
type Document struct {
	Role    Role
	Version int64
	Expires time.Time
	// Files are by name: "snapshot.json" in a timestamp, "targets.json" in a
	// snapshot, the targets' paths in targets.
	Files map[string]File

	signed     any // *metadata.Metadata of the role's type
	signatures []metadata.Signature
}

var errNotCanonical = errors.New("is not written the way galley writes metadata: it was changed")

// Parse reads a metadata file of a role. It trusts nothing in it.
func Parse(role Role, data []byte) (doc *Document, err error) {
	defer catch(&err)
	if looksLikeHTML(data) {
		return nil, errHTML
	}
	if int64(len(data)) > MaxLength(role) {
		return nil, fmt.Errorf("is larger than %d bytes", MaxLength(role))
	}
	doc = &Document{Role: role}
	switch role {
	case Root:
		m, err := decode[metadata.RootType](data)
		if err != nil {
			return nil, err
		}
		doc.signed, doc.signatures, doc.Version, doc.Expires = m, m.Signatures, m.Signed.Version, m.Signed.Expires
	case Targets:
		m, err := decode[metadata.TargetsType](data)
		if err != nil {
			return nil, err
		}
		doc.signed, doc.signatures, doc.Version, doc.Expires = m, m.Signatures, m.Signed.Version, m.Signed.Expires
		doc.Files = targetFiles(m.Signed.Targets)
	case Snapshot:
		m, err := decode[metadata.SnapshotType](data)
		if err != nil {
			return nil, err
		}
		doc.signed, doc.signatures, doc.Version, doc.Expires = m, m.Signatures, m.Signed.Version, m.Signed.Expires
		doc.Files = metaFiles(m.Signed.Meta)
	case Timestamp:
		m, err := decode[metadata.TimestampType](data)
		if err != nil {
			return nil, err
		}
		doc.signed, doc.signatures, doc.Version, doc.Expires = m, m.Signatures, m.Signed.Version, m.Signed.Expires
		doc.Files = metaFiles(m.Signed.Meta)
	}
	if doc.Version < 1 {
		return nil, fmt.Errorf("has version %d, expected 1 or more", doc.Version)
	}
	return doc, nil
}

func decode[T metadata.Roles](data []byte) (*metadata.Metadata[T], error) {
	m, err := new(metadata.Metadata[T]).FromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("is not metadata of its role: %w", err)
	}
	again, err := m.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("is not metadata of its role: %w", err)
	}
	if !bytes.Equal(again, data) {
		return nil, errNotCanonical
	}
	return m, nil
}

// catch turns a panic of the library over malformed metadata (a null where an
// object belongs) into an error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("is malformed: %v", p)
	}
}

func metaFiles(meta map[string]*metadata.MetaFiles) map[string]File {
	files := map[string]File{}
	for name, m := range meta {
		files[name] = File{Version: m.Version, Length: m.Length, SHA256: hex.EncodeToString(m.Hashes["sha256"])}
	}
	return files
}

func targetFiles(targets map[string]*metadata.TargetFiles) map[string]File {
	files := map[string]File{}
	for name, t := range targets {
		files[name] = File{Length: t.Length, SHA256: hex.EncodeToString(t.Hashes["sha256"])}
	}
	return files
}

func looksLikeHTML(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n\ufeff"), []byte("<"))
}
