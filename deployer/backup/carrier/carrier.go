// Package carrier carries a folder with everything in it as a tar stream: the
// content of a volume on its way into a backup, out of one, or to another volume.
// It is what `galley carry` runs inside a container that has nothing but galley
// and the volume, so it asks for no other file: no names of users, no program.
//
// What it keeps of an entry: the name byte by byte, kind, owner and group up to
// 2^32-2, mode with setuid, setgid and sticky, modification time in nanoseconds,
// extended attributes (those of capabilities and access lists among them), hard
// links and holes. Access and change times, and inode flags as chattr sets them,
// are not kept. Sockets cannot be carried, and are told.
//
// The stream is archive/tar's PAX format with the records that GNU tar made
// customary (SCHILY.xattr.*, GNU.sparse 1.0), so `tar --xattrs
// --xattrs-include='*' -x` restores a backup where there is no galley, and what
// GNU tar packs is unpacked here.
//
// A stream from a repository is foreign: nothing in it can make Unpack write
// outside its folder.
package carrier

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash"
)

// maxTold bounds what Summary.Skipped lists.
const maxTold = 20

// Summary is what was carried. Both ends count alike, so that the Summary of
// Pack and that of Unpack for the same stream are equal but for what each of
// them skipped.
type Summary struct {
	// Files counts entries that are not folders, each name of a hard link too.
	Files int64 `json:"files"`
	// Content is the data of the files in bytes, without holes.
	Content int64 `json:"content"`
	// Bytes is the length of the stream, and SHA256 its hash in hex.
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Skipped names, as "path: why", what could not be carried as it was: sockets,
	// what vanished or shrank meanwhile, attributes that the file system refused.
	// The list ends after 20; SkippedCount is their number.
	Skipped      []string `json:"skipped"`
	SkippedCount int64    `json:"skipped_count"`
}

func (s *Summary) tell(rel, format string, args ...any) {
	s.SkippedCount++
	if len(s.Skipped) < maxTold {
		s.Skipped = append(s.Skipped, fmt.Sprintf("%s: %s", rel, fmt.Sprintf(format, args...)))
	}
}

// finish fills in what is known when the stream has ended.
func (s *Summary) finish(bytes int64, h hash.Hash) Summary {
	s.Bytes, s.SHA256 = bytes, hex.EncodeToString(h.Sum(nil))
	if s.Skipped == nil {
		s.Skipped = []string{} // a list in JSON, never null
	}
	return *s
}

// Usage is what a folder takes, and what is left on its file system.
type Usage struct {
	// Used is what the files occupy in bytes, hard links once and holes not at all:
	// what a copy of the folder needs.
	Used int64 `json:"used"`
	// Free is what may still be written, in bytes.
	Free int64 `json:"free"`
	// Files counts inodes below the folder: files, links and folders.
	Files int64 `json:"files"`
	// InodesFree is the number of files that can still be made; -1 where the file
	// system has no limit of its own.
	InodesFree int64 `json:"inodes_free"`
}

// ended is ctx's error, asked often: a select costs less than Err's lock.
func ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	default:
		return nil
	}
}
