package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// RoleChange is what a proposal does to one role.
type RoleChange struct {
	Role    Role     `json:"role"`
	Added   []string `json:"added"` // key identifiers
	Removed []string `json:"removed"`
	Before  string   `json:"before"` // how many of how many keys sign: "1 of 1"; "" in a first root
	After   string   `json:"after"`
}

// Changes are the roles that a proposal changes, root first.
func (p *Proposal) Changes() []RoleChange {
	changes := []RoleChange{}
	for _, role := range Roles {
		before, after := &metadata.Role{}, p.next.Signed.Roles[string(role)]
		if p.current != nil {
			before = p.current.Signed.Roles[string(role)]
		}
		c := RoleChange{
			Role: role, Added: without(after.KeyIDs, before.KeyIDs), Removed: without(before.KeyIDs, after.KeyIDs),
			Before: quorum(before), After: quorum(after),
		}
		if len(c.Added)+len(c.Removed) > 0 || c.Before != c.After {
			changes = append(changes, c)
		}
	}
	return changes
}

// Before is when the root that the proposal follows expires, the zero time when
// there is none.
func (p *Proposal) Before() time.Time {
	if p.current == nil {
		return time.Time{}
	}
	return p.current.Signed.Expires
}

// Cautions are what whoever signs a proposal should have thought of.
func (p *Proposal) Cautions() []string {
	cautions := []string{}
	root := p.next.Signed.Roles[metadata.ROOT]
	if root.Threshold == len(root.KeyIDs) {
		cautions = append(cautions, fmt.Sprintf("every root key is needed (%s): losing one loses the catalogue", quorum(root)))
	}
	for _, role := range Roles[1:] {
		for _, id := range p.KeyIDs(role) {
			if slices.Contains(root.KeyIDs, id) {
				cautions = append(cautions, fmt.Sprintf("key %s is of root and of %s: a root key should sign roots alone", shortID(id), role))
			}
		}
	}
	return cautions
}

func quorum(r *metadata.Role) string {
	if len(r.KeyIDs) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", r.Threshold, len(r.KeyIDs))
}

func without(ids, others []string) []string {
	left := []string{}
	for _, id := range ids {
		if !slices.Contains(others, id) {
			left = append(left, id)
		}
	}
	return left
}

// RoleKeys are the keys that a root names for a role.
type RoleKeys struct {
	Role      Role
	Threshold int
	KeyIDs    []string
}

// RootInfo is what a root says.
type RootInfo struct {
	Version int64
	Expires time.Time
	Roles   []RoleKeys // root first
}

// ReadRoot reads a root that is signed by itself.
func ReadRoot(data []byte) (*RootInfo, error) {
	chain, err := NewChain(data)
	if err != nil {
		return nil, err
	}
	info := &RootInfo{Version: chain.Version(), Expires: chain.Expires()}
	for _, role := range Roles {
		named := chain.last().Signed.Roles[string(role)]
		if named == nil {
			return nil, fmt.Errorf("does not name keys for %s", role)
		}
		info.Roles = append(info.Roles, RoleKeys{role, named.Threshold, slices.Clone(named.KeyIDs)})
	}
	return info, nil
}
