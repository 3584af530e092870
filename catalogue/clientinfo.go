package catalogue

import (
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
)

// Info is what a Client trusts and how long.
type Info struct {
	Location    string `json:"location"`
	Fingerprint string `json:"fingerprint"` // of the first trusted root, SHA-256
	// FirstUse says that the root was not pinned and never seen before: a user
	// should compare the fingerprint with what the publisher says elsewhere.
	FirstUse bool `json:"first_use"`
	// Offline says that the catalogue was not asked, or could not be: what was
	// Read then counts. Reason is why it could not be; "" when it was not to be.
	Offline   bool      `json:"offline,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Read      time.Time `json:"read"` // when the metadata was
	Root      RoleInfo  `json:"root"`
	Timestamp RoleInfo  `json:"timestamp"`
	Snapshot  RoleInfo  `json:"snapshot"`
	Targets   RoleInfo  `json:"targets"`
}

// RoleInfo is the current metadata of one role.
type RoleInfo struct {
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
	// Signers is a fingerprint of who may sign it: versions are comparable as long
	// as it stays the same.
	Signers string `json:"signers"`
}

// ValidUntil is when the first role expires.
func (i Info) ValidUntil() time.Time {
	until := i.Root.Expires
	for _, role := range []RoleInfo{i.Timestamp, i.Snapshot, i.Targets} {
		if role.Expires.Before(until) {
			until = role.Expires
		}
	}
	return until
}

func (c *Client) setInfo(fingerprint string, firstUse bool) {
	role := func(r trust.Role) RoleInfo {
		return RoleInfo{c.state.Versions[r], c.state.Expires[r], c.state.Signers[r]}
	}
	c.info = Info{
		Location: c.from.Location(), Fingerprint: fingerprint, FirstUse: firstUse, Read: c.opts.Now,
		Root: role(trust.Root), Timestamp: role(trust.Timestamp),
		Snapshot: role(trust.Snapshot), Targets: role(trust.Targets),
	}
}
