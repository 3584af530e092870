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
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
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
	// CRC32C is the stream's checksum by the polynomial of Castagnoli (RFC 3720,
	// section 12.1): a twentieth of SHA256's work, for whoever hands the stream on.
	CRC32C uint32 `json:"crc32c"`
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
func (s *Summary) finish(t *tally) Summary {
	s.Bytes, s.SHA256, s.CRC32C = t.sum.Bytes, hex.EncodeToString(t.hash.Sum(nil)), t.sum.CRC32C
	if s.Skipped == nil {
		s.Skipped = []string{} // a list in JSON, never null
	}
	return *s
}

// Checksum counts and sums up what is written to it. The zero value is that of nothing.
type Checksum struct {
	Bytes  int64
	CRC32C uint32 // as in Summary
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write implements io.Writer.
func (c *Checksum) Write(p []byte) (int, error) {
	c.Bytes += int64(len(p))
	c.CRC32C = crc32.Update(c.CRC32C, castagnoli, p)
	return len(p), nil
}

// Of tells whether what was counted is the stream of the summary.
func (c *Checksum) Of(s Summary) bool { return c.Bytes == s.Bytes && c.CRC32C == s.CRC32C }

// tally is what a Summary says of a stream.
type tally struct {
	sum  Checksum
	hash hash.Hash
}

func newTally() tally { return tally{hash: sha256.New()} }

func (t *tally) add(p []byte) {
	_, _ = t.sum.Write(p) // neither fails
	_, _ = t.hash.Write(p)
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
