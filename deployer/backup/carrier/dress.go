//go:build linux

package carrier

import (
	"archive/tar"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// dress gives an entry that was made its owner, attributes, mode and time, in the
// order in which one does not undo the other: a change of owner clears setuid and
// capabilities, an access list comes with a mode, and everything but the time
// itself may change the time.
func (u *unpacker) dress(t target, to attrs, hdr *tar.Header) error {
	if err := unix.Fchownat(t.dirfd, t.name, hdr.Uid, hdr.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return pathError("chown", t.rel, err)
	}
	if hdr.Typeflag != tar.TypeSymlink { // which has no mode of its own
		if err := chmod(t, to.fd, uint32(hdr.Mode)&0o7777); err != nil {
			return pathError("chmod", t.rel, err)
		}
	}
	if err := u.setAttrs(t.rel, to, hdr.PAXRecords); err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, timespec(hdr)}
	if err := unix.UtimesNanoAt(t.dirfd, t.name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return pathError("set the time of", t.rel, err)
	}
	return nil
}

func timespec(hdr *tar.Header) unix.Timespec {
	return unix.Timespec{Sec: hdr.ModTime.Unix(), Nsec: int64(hdr.ModTime.Nanosecond())}
}

// chmod by descriptor, or by name for what was made just now and is no link.
func chmod(t target, fd int, mode uint32) error {
	if fd >= 0 {
		return unix.Fchmod(fd, mode)
	}
	return unix.Fchmodat(t.dirfd, t.name, mode, 0)
}

// setAttrs sets the extended attributes among an entry's records, in the order of
// their names. What the file system does not take or the container may not set is
// told: a file without an attribute is better than a volume without the file.
func (u *unpacker) setAttrs(rel string, to attrs, records map[string]string) error {
	var keys []string
	for key := range records {
		if strings.HasPrefix(key, attrPrefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		name := attrName(key)
		if name == "" {
			continue
		}
		switch err := to.set(name, records[key]); err {
		case nil:
		case unix.ENOTSUP, unix.EPERM, unix.EACCES:
			u.sum.tell(rel, "its attribute %s cannot be set here: %v", name, err)
		default:
			return pathError("set attribute "+name+" of", rel, err)
		}
	}
	return nil
}
