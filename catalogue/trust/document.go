package trust

import (
	"bytes"
	"crypto/sha256"
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
	// snapshot beside the bins, the targets' paths in targets and in a bin.
	Files map[string]File

	signed     any // *metadata.Metadata of the role's type
	signatures []metadata.Signature
}

var (
	errNotCanonical   = errors.New("is not written the way galley writes metadata: it was changed")
	errWrongSignature = errors.New("carries a signature that is not right")
)

// Parse reads a metadata file of a role. It trusts nothing in it.
func Parse(role Role, data []byte) (doc *Document, err error) {
	defer catch(&err)
	if looksLikeHTML(data) {
		return nil, errHTML
	}
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	if int64(len(data)) > MaxLength(role) {
		return nil, fmt.Errorf("is larger than %d bytes", MaxLength(role))
	}
	doc = &Document{Role: role}
	switch kindOf(role) {
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
		if doc.Files, err = targetFiles(role, &m.Signed); err != nil {
			return nil, err
		}
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

// kindOf is the role whose form a file has: bins are targets.
func kindOf(role Role) Role {
	if role.IsBin() {
		return Targets
	}
	return role
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

func targetFiles(role Role, t *metadata.TargetsType) (map[string]File, error) {
	check := checkDelegations
	if role.IsBin() {
		check = checkBin
	}
	if err := check(t); err != nil {
		return nil, err
	}
	files := map[string]File{}
	for name, f := range t.Targets {
		hash := f.Hashes["sha256"]
		if len(hash) != sha256.Size {
			return nil, fmt.Errorf("has no SHA-256 for %.200q", name)
		}
		files[name] = File{Length: f.Length, SHA256: hex.EncodeToString(hash)}
	}
	return files, nil
}

func looksLikeHTML(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n\ufeff"), []byte("<"))
}
