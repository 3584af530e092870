package backup

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

func TestStrayed(t *testing.T) {
	at := func(node string, used bool) deployer.VolumePlace {
		return deployer.VolumePlace{NodeID: "id-" + node, Node: node, Driver: "local", Used: used}
	}
	nfs := at("two", true)
	nfs.Options = map[string]string{"type": "nfs"}
	one := RestoredVolume{Volume: "s_data", Node: "one", nodeID: "id-one"}
	two := RestoredVolume{Volume: "s_data", Node: "two", nodeID: "id-two"}
	for name, c := range map[string]struct {
		restored []RestoredVolume
		places   []deployer.VolumePlace
		stray    bool
	}{
		"where it was restored":            {[]RestoredVolume{one}, []deployer.VolumePlace{at("one", true)}, false},
		"nobody uses it":                   {[]RestoredVolume{one}, []deployer.VolumePlace{at("one", false), at("two", false)}, false},
		"on another node":                  {[]RestoredVolume{one}, []deployer.VolumePlace{at("one", false), at("two", true)}, true},
		"on both, and restored on one":     {[]RestoredVolume{one}, []deployer.VolumePlace{at("one", true), at("two", true)}, true},
		"on both, and restored on both":    {[]RestoredVolume{one, two}, []deployer.VolumePlace{at("one", true), at("two", true)}, false},
		"at a place that all nodes share":  {[]RestoredVolume{one}, []deployer.VolumePlace{nfs}, false},
		"another volume, restored nowhere": {nil, []deployer.VolumePlace{at("two", true)}, false},
	} {
		err := strayed(c.restored, map[string][]deployer.VolumePlace{"s_data": c.places})
		if (err != nil) != c.stray {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (fault.KindOf(err) != fault.PutBack || !strings.Contains(fault.HintOf(err), "--node two")) {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
}
