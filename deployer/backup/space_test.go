package backup

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer/backup/carrier"
)

// TestRoomForARestore is about disks that are too small, by values.
func TestRoomForARestore(t *testing.T) {
	const gb = 1 << 30
	type volume struct {
		used, content, usedFiles, files int64
		paths                           bool
	}
	for _, c := range []struct {
		name       string
		free, left int64 // bytes and files
		kept       bool  // the copies are there
		volumes    []volume
		says       string // "" when there is room
	}{
		{name: "room", free: 50 * gb, left: -1, volumes: []volume{{used: 40 * gb, content: 40 * gb}}},
		{name: "none for the copies", free: 40 * gb, left: -1, volumes: []volume{{used: 40 * gb, content: gb}}, says: "needs 42949672960"},
		{name: "none for what comes", free: 40 * gb, left: -1, volumes: []volume{{used: gb, content: 40 * gb}}, says: "needs 42949672960"},
		{name: "the first grows before the second shrinks", free: 150 * gb, left: -1, volumes: []volume{{content: 100 * gb}, {used: 100 * gb}}, says: "needs 214748364800"},
		{name: "the first shrinks before the second grows", free: 150 * gb, left: -1, volumes: []volume{{used: 100 * gb}, {content: 100 * gb}}},
		{name: "begun anew with copies", free: 10 * gb, left: -1, kept: true, volumes: []volume{{used: 35 * gb, content: 40 * gb}}},
		{name: "over what is there", free: 50 * gb, left: -1, volumes: []volume{{used: 40 * gb, content: 40 * gb, paths: true}}, says: "needs 85899345920"},
		{name: "no room for files", free: 50 * gb, left: 100_000, volumes: []volume{{usedFiles: 10, files: 200_000}}, says: "room for 100000 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := room{host: "n1", bytes: amount{free: c.free}, files: amount{free: c.left}}
			for _, v := range c.volumes {
				if !c.kept {
					r.keep(carrier.Usage{Used: v.used, Files: v.usedFiles})
				}
			}
			for _, v := range c.volumes {
				r.write(&Part{Content: v.content, Files: v.files}, !v.paths, carrier.Usage{Used: v.used, Files: v.usedFiles})
			}
			err := r.check()
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}
