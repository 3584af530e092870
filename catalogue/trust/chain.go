package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Fingerprint is the SHA-256 of a root metadata file, in hex, as sha256sum
// prints it. An operator compares it with what the publisher says elsewhere.
func Fingerprint(root []byte) string {
	sum := sha256.Sum256(root)
	return hex.EncodeToString(sum[:])
}

// Short is a fingerprint for reading aloud: its first 16 digits, in fours. It
// is for people; galley always compares the whole.
func Short(fingerprint string) string {
	var parts []string
	for part := range slices.Chunk([]byte(fingerprint[:min(16, len(fingerprint))]), 4) {
		parts = append(parts, string(part))
	}
	return strings.Join(parts, " ")
}

// Chain is a row of roots, each signed by the one before it and by itself.
type Chain struct {
	roots []*metadata.Metadata[metadata.RootType]
	files [][]byte
}

// NewChain starts with a root that is trusted; it must be signed by itself.
func NewChain(data []byte) (*Chain, error) {
	c := &Chain{}
	return c, c.Add(data)
}

// Add appends the next root. After an error the chain is as it was.
func (c *Chain) Add(data []byte) (err error) {
	defer catch(&err)
	doc, err := Parse(Root, data)
	if err != nil {
		return err
	}
	root := doc.signed.(*metadata.Metadata[metadata.RootType])
	if !root.Signed.ConsistentSnapshot {
		return fmt.Errorf("does not ask for consistent snapshots")
	}
	if len(c.roots) > 0 {
		last := c.roots[len(c.roots)-1]
		if doc.Version != last.Signed.Version+1 {
			return fmt.Errorf("has version %d, expected %d", doc.Version, last.Signed.Version+1)
		}
		if err := signedBy(last, doc); err != nil {
			return fmt.Errorf("does not follow root version %d: %w", last.Signed.Version, err)
		}
	}
	if err := signedBy(root, doc); err != nil {
		return err
	}
	for _, s := range doc.signatures {
		if len(c.roots) == 0 && doc.Version > 1 && !slices.Contains(root.Signed.Roles[metadata.ROOT].KeyIDs, s.KeyID) {
			continue // of a key of the root before, which the chain does not have
		}
		if !slices.ContainsFunc(append(c.roots, root), func(by *metadata.Metadata[metadata.RootType]) bool { return oneSigned(by, doc, s.KeyID) }) {
			return errWrongSignature
		}
	}
	c.roots, c.files = append(c.roots, root), append(c.files, slices.Clone(data))
	return nil
}

// First and Last are the root files at the chain's ends.
func (c *Chain) First() []byte { return c.files[0] }

// Last is the newest root file.
func (c *Chain) Last() []byte { return c.files[len(c.files)-1] }

// Version is the newest root's.
func (c *Chain) Version() int64 { return c.last().Signed.Version }

// FirstVersion is the oldest root's.
func (c *Chain) FirstVersion() int64 { return c.roots[0].Signed.Version }

// Expires is when the newest root does.
func (c *Chain) Expires() time.Time { return c.last().Signed.Expires }

func (c *Chain) last() *metadata.Metadata[metadata.RootType] { return c.roots[len(c.roots)-1] }

// Contains tells whether the very file is one of the chain's roots.
func (c *Chain) Contains(root []byte) bool {
	return slices.ContainsFunc(c.files, func(f []byte) bool { return string(f) == string(root) })
}

// Check reads a metadata file that one of the chain's roots vouches for: older
// metadata was signed under older roots. current tells whether the newest does.
func (c *Chain) Check(role Role, data []byte) (doc *Document, current bool, err error) {
	defer catch(&err)
	doc, err = Parse(role, data)
	if err != nil {
		return nil, false, err
	}
	for i := len(c.roots) - 1; i >= 0; i-- {
		if err = signedBy(c.roots[i], doc); err != nil {
			continue
		}
		for _, s := range doc.signatures {
			if !oneSigned(c.roots[i], doc, s.KeyID) {
				return nil, false, errWrongSignature
			}
		}
		return doc, i == len(c.roots)-1, nil
	}
	return nil, false, fmt.Errorf("is not signed by the keys that the root names for %s", role)
}

// signedBy wants as many signatures as the root asks for.
func signedBy(root *metadata.Metadata[metadata.RootType], doc *Document) error {
	if err := root.VerifyDelegate(string(doc.Role), doc.signed); err != nil {
		return fmt.Errorf("is not signed by the keys that the root names for %s", doc.Role)
	}
	return nil
}

// oneSigned tells whether the signature with that key ID is right: one that is
// not needed for the threshold counts too, for somebody changed it.
func oneSigned(root *metadata.Metadata[metadata.RootType], doc *Document, keyID string) bool {
	role, ok := root.Signed.Roles[string(doc.Role)]
	if !ok || !slices.Contains(role.KeyIDs, keyID) {
		return false
	}
	alone := *root
	alone.Signed.Roles = map[string]*metadata.Role{string(doc.Role): {KeyIDs: []string{keyID}, Threshold: 1}}
	return alone.VerifyDelegate(string(doc.Role), doc.signed) == nil
}
