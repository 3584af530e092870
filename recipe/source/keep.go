package source

import (
	"github.com/go-git/go-git/v5/plumbing"
)

// What a repository keeps of the objects that it read: the versions of a recipe
// share most of their files, and each file is read to be judged, to be compared
// with the next version, and to be bundled.
const (
	maxKept   = 8 << 20   // bytes of all
	maxKeeper = 256 << 10 // bytes of one
)

// kept are objects whose bytes were found to be those their hashes name.
type kept struct {
	objects map[plumbing.Hash]*plumbing.MemoryObject
	bytes   int64
}

func (k *kept) add(h plumbing.Hash, obj *plumbing.MemoryObject) {
	size := obj.Size()
	if size > maxKeeper {
		return
	}
	if k.objects == nil || k.bytes+size > maxKept {
		k.objects, k.bytes = map[plumbing.Hash]*plumbing.MemoryObject{}, 0
	}
	k.objects[h] = obj
	k.bytes += size
}

// get gives a kept object that limit allows.
func (k *kept) get(h plumbing.Hash, limit func(plumbing.ObjectType) int64) (*plumbing.MemoryObject, bool) {
	obj, ok := k.objects[h]
	return obj, ok && obj.Size() <= limit(obj.Type())
}
