package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// KeyList is who may sign what, and for how long.
type KeyList struct {
	Root    string    `json:"root"` // path
	Version int64     `json:"version"`
	Roles   []KeyRole `json:"roles"` // root first
	// Unused are keys in the folder that no role names: retired ones, and new ones
	// that are only proposed.
	Unused []KeyInfo `json:"unused"`
	// Proposal is the next root, nil when none is proposed.
	Proposal *Proposed `json:"proposal"`
	Warnings []string  `json:"warnings"`
}

// KeyRole is one role of the root.
type KeyRole struct {
	Role      string `json:"role"`
	Threshold int    `json:"threshold"` // how many of Keys sign
	// Expires is when the role's metadata does, nil for what is not published.
	Expires *time.Time `json:"expires"`
	// DaysLeft are whole days, negative once it expired; 0 without Expires.
	DaysLeft int       `json:"days_left"`
	Keys     []KeyInfo `json:"keys"`
}

// KeyInfo is one key.
type KeyInfo struct {
	ID        string `json:"id"`
	File      string `json:"file"` // "" when it is not in the folder
	Encrypted bool   `json:"encrypted"`
}

// ListKeys reads the newest root, the folder of keys, and when what is published
// expires. No key is decrypted.
func ListKeys(opts KeyOptions) (*KeyList, error) {
	opts.complete()
	data, err := readRoot(opts.Root)
	if err != nil {
		return nil, err
	}
	root, err := trust.ReadRoot(data)
	if err != nil {
		return nil, fault.New(fault.Refused, "%s %w", opts.Root, err)
	}
	ring, err := trust.OpenKeyring(opts.Keys)
	if err != nil {
		return nil, err
	}
	expires, err := expiryOf(opts.Public)
	if err != nil {
		return nil, err
	}
	expires[trust.Root] = root.Expires
	list := &KeyList{Root: opts.Root, Version: root.Version, Unused: []KeyInfo{}, Warnings: ring.Problems()}
	used := map[string]bool{}
	for _, named := range root.Roles {
		list.Roles = append(list.Roles, keyRole(named, ring, expires, opts.Now))
		for _, id := range named.KeyIDs {
			used[id] = true
		}
	}
	for _, k := range ring.Keys {
		if !used[k.ID()] {
			list.Unused = append(list.Unused, KeyInfo{k.ID(), k.File, k.Encrypted})
		}
	}
	list.Warnings = append(list.Warnings, expiryWarnings(expires, opts.Expiry, opts.Now)...)
	if list.Proposal, err = pending(opts); err != nil {
		list.Warnings = append(list.Warnings, err.Error())
	}
	return list, nil
}

func keyRole(named trust.RoleKeys, ring *trust.Keyring, expires map[trust.Role]time.Time, now time.Time) KeyRole {
	role := KeyRole{Role: string(named.Role), Threshold: named.Threshold, Keys: []KeyInfo{}}
	if at, ok := expires[named.Role]; ok {
		role.Expires, role.DaysLeft = &at, daysUntil(at, now)
	}
	for _, id := range named.KeyIDs {
		info := KeyInfo{ID: id}
		if k := ring.Find(id); k != nil {
			info.File, info.Encrypted = k.File, k.Encrypted
		}
		role.Keys = append(role.Keys, info)
	}
	return role
}

// expiryOf tells when published metadata expires; targets do when the first of
// their bins does. It reads, and does not verify.
func expiryOf(public string) (map[trust.Role]time.Time, error) {
	expires := map[trust.Role]time.Time{}
	dir, err := disk.Open(public)
	if public == "" || errors.Is(err, fs.ErrNotExist) {
		return expires, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is published: %w", err)
	}
	defer dir.Close()
	names := map[string]trust.File{"timestamp.json": {}}
	for _, role := range []trust.Role{trust.Timestamp, trust.Snapshot, trust.Targets} {
		doc, err := publishedDocument(dir, role, names)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		expires[role] = doc.Expires
		if role != trust.Targets {
			names = doc.Files
			continue
		}
		for _, bin := range doc.Bins() {
			doc, err := publishedDocument(dir, bin, names)
			if err != nil {
				return nil, err
			}
			if doc.Expires.Before(expires[trust.Targets]) {
				expires[trust.Targets] = doc.Expires
			}
		}
	}
	return expires, nil
}

func publishedDocument(dir *disk.Dir, role trust.Role, names map[string]trust.File) (*trust.Document, error) {
	name := trust.Name(role, names[string(role)+".json"].Version)
	data, err := dir.Read(name, trust.MaxLength(role))
	if err != nil {
		return nil, fmt.Errorf("reading what is published in %q: %s %w", dir.Name(), name, err)
	}
	doc, err := trust.Parse(role, data)
	if err != nil {
		return nil, fault.New(fault.Refused, "what is published in %q: %s %w", dir.Name(), name, err)
	}
	return doc, nil
}

// Before its end a root is warned of for a month, for its keys are far away, and
// the others for two weeks.
const (
	warnRoot   = 30 * 24 * time.Hour
	warnOnline = 14 * 24 * time.Hour
)

// expiryWarnings name the roles that expire soon. Who chose a short expiry is
// warned in the second half of it. A timestamp is short by nature.
func expiryWarnings(expires map[trust.Role]time.Time, expiry trust.Expiry, now time.Time) []string {
	warnings := []string{}
	for _, role := range []trust.Role{trust.Root, trust.Targets, trust.Snapshot} {
		at, ok := expires[role]
		soon, remedy := min(warnOnline, expiry.Of(role)/2), "galley catalogue sign signs anew"
		if role == trust.Root {
			soon, remedy = min(warnRoot, expiry.Root/2), "galley catalogue keys renew proposes a new one, for the root keys to sign"
		}
		if !ok || at.Sub(now) >= soon {
			continue
		}
		when := fmt.Sprintf("expires in %d days", daysUntil(at, now))
		if !now.Before(at) {
			when = "expired " + trust.Ago(now.Sub(at))
		}
		warnings = append(warnings, fmt.Sprintf("the %s %s; %s", roleNoun(role), when, remedy))
	}
	return warnings
}

func roleNoun(role trust.Role) string {
	if role == trust.Targets {
		return "targets metadata"
	}
	return string(role)
}

// daysUntil are whole days, rounded down: -1 on the first day after.
func daysUntil(at, now time.Time) int {
	left := at.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 && left%(24*time.Hour) != 0 {
		days--
	}
	return days
}
