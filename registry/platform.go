package registry

import (
	"cmp"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// Platform is what an image runs on, in Go's names (OCI image index
// specification, "platform"): linux, arm64, v8.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// machines maps what the kernel, and so a swarm node, calls an architecture to
// the name and variant that images use.
var machines = map[string]Platform{
	"x86_64":  {Architecture: "amd64"},
	"i386":    {Architecture: "386"},
	"i686":    {Architecture: "386"},
	"aarch64": {Architecture: "arm64"},
	"armv5l":  {Architecture: "arm", Variant: "v5"},
	"armv6l":  {Architecture: "arm", Variant: "v6"},
	"armv7l":  {Architecture: "arm", Variant: "v7"},
}

// String is "linux/arm64/v8", or "linux/amd64" without a variant.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// ParsePlatform reads "os/architecture[/variant]". The kernel's names for an
// architecture (x86_64, aarch64, …) are understood too.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, badPlatform(s)
	}
	for _, part := range parts {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return Platform{}, badPlatform(s)
		}
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p.renamed(), nil
}

func badPlatform(s string) error {
	return fault.New(fault.Usage, `platform %q: expected os/architecture[/variant], as in "linux/arm64/v8"`, s)
}

// renamed gives the architecture the name that images use.
func (p Platform) renamed() Platform {
	m, ok := machines[p.Architecture]
	if !ok {
		return p
	}
	return Platform{OS: p.OS, Architecture: m.Architecture, Variant: cmp.Or(p.Variant, m.Variant)}
}

// normal also drops a variant that says nothing: every arm64 is v8, every
// amd64 at least v1.
func (p Platform) normal() Platform {
	p = p.renamed()
	if (p.Architecture == "arm64" && p.Variant == "v8") || (p.Architecture == "amd64" && p.Variant == "v1") {
		p.Variant = ""
	}
	return p
}

// Matches tells whether p is what want asks for. A want without a variant takes
// any variant; linux/arm64 and linux/arm64/v8 are the same.
func (p Platform) Matches(want Platform) bool {
	have, need := p.normal(), want.normal()
	if have.OS != need.OS || have.Architecture != need.Architecture {
		return false
	}
	return need.Variant == "" || have.Variant == need.Variant
}

func comparePlatforms(a, b Platform) int {
	return cmp.Or(
		strings.Compare(a.OS, b.OS),
		strings.Compare(a.Architecture, b.Architecture),
		strings.Compare(a.Variant, b.Variant))
}
