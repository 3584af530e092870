package catalogue

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// pin takes the fingerprint off a location and sees that no two roots are pinned.
func (o *ClientOptions) pin(location string) (string, error) {
	location, fingerprint, err := SplitPin(location)
	if err != nil {
		return "", err
	}
	o.Fingerprint = cmp.Or(fingerprint, o.Fingerprint)
	switch {
	case o.Root == nil:
		return location, nil
	case o.Fingerprint != "":
		return "", fault.New(fault.Usage, "a root file and a fingerprint are pinned for catalogue %s; expected one of them", shownAddress(location))
	}
	if err := CheckRoot(o.Root); err != nil {
		return "", fmt.Errorf("the pinned root %w", err)
	}
	return location, nil
}

// pinMark stands between an address and the fingerprint of its first root.
const pinMark = "#sha256:"

// SplitPin takes "#sha256:<fingerprint>" off an address; fingerprint is "" when
// there is none.
func SplitPin(location string) (address, fingerprint string, err error) {
	address, fingerprint, pinned := strings.Cut(location, pinMark)
	fingerprint = strings.ToLower(fingerprint)
	if pinned && !hexSHA256.MatchString(fingerprint) {
		err := fault.New(fault.Usage, "catalogue %s: %q is no fingerprint; expected 64 hex digits", shownAddress(address), fingerprint)
		return "", "", fault.Hint(err, "the publisher's: galley catalogue keys list shows it, and so does sha256sum of the first root.json")
	}
	return address, fingerprint, nil
}

// shownAddress is an address without the login that it may hold.
func shownAddress(address string) string {
	scheme, rest, isURL := strings.Cut(address, "://")
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); isURL && at >= 0 {
		return scheme + "://" + host[at+1:] + "/" + path
	}
	return address
}
