package bare

import (
	"net/netip"
	"strings"
	"testing"
)

func TestFreePrefix(t *testing.T) {
	const routes = "default via 192.0.2.1 dev eth0\n10.215.0.0/17 dev x\nlocal 10.215.200.1 dev y table local\n"
	for range 50 {
		p, err := freePrefix(routes)
		if err != nil || p.Overlaps(netip.MustParsePrefix("10.215.0.0/17")) || p.Contains(netip.MustParseAddr("10.215.200.1")) || p != p.Masked() {
			t.Fatalf("%s, %v", p, err)
		}
	}
	if p, err := freePrefix("10.0.0.0/8 dev tun0"); err == nil || !strings.Contains(err.Error(), pool.String()) {
		t.Errorf("%s, %v: want an error, everything is taken", p, err)
	}
}
