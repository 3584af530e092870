//go:build linux

package carrier

import (
	"strings"

	"golang.org/x/sys/unix"
)

// attrPrefix is the PAX record of an extended attribute, as star began and GNU
// tar, bsdtar and docker do.
const attrPrefix = "SCHILY.xattr."

// selinuxLabel belongs to the machine that a file is on, as docker labels a
// volume's files for its containers, and not to the file.
const selinuxLabel = "security.selinux"

// attrs is one inode whose extended attributes are read or written: an open file,
// or an entry that cannot be opened.
type attrs struct {
	fd   int    // -1: by path
	path string // as viaProc makes it
}

func (a attrs) list(buf []byte) (int, error) {
	if a.fd >= 0 {
		return unix.Flistxattr(a.fd, buf)
	}
	return unix.Llistxattr(a.path, buf)
}

func (a attrs) get(name string, buf []byte) (int, error) {
	if a.fd >= 0 {
		return unix.Fgetxattr(a.fd, name, buf)
	}
	return unix.Lgetxattr(a.path, name, buf)
}

func (a attrs) set(name, value string) error {
	if a.fd >= 0 {
		return unix.Fsetxattr(a.fd, name, []byte(value), 0)
	}
	return unix.Lsetxattr(a.path, name, []byte(value), 0)
}

// read collects the attributes as PAX records; told hears of each that could not
// be read. A file system without attributes has none. buf is scratch space of
// 64 KiB at least, the kernel's bound on a list and on a value.
func (a attrs) read(buf []byte, told func(name string, err error)) (map[string]string, error) {
	n, err := a.list(buf)
	if n == 0 || err == unix.ENOTSUP || err == unix.ENODATA {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := string(buf[:n])
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		if name == selinuxLabel {
			continue
		}
		n, err := a.get(name, buf)
		switch err {
		case nil:
			records[attrPrefix+attrEscape.Replace(name)] = string(buf[:n])
		case unix.ENODATA: // gone meanwhile
		default:
			told(name, err)
		}
	}
	return records, nil
}

// clear removes the attributes that records does not have, where it may.
func (a attrs) clear(buf []byte, records map[string]string) {
	n, err := a.list(buf)
	if err != nil {
		return
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if _, stays := records[attrPrefix+attrEscape.Replace(name)]; name != "" && name != selinuxLabel && !stays {
			_ = unix.Fremovexattr(a.fd, name)
		}
	}
}

// The name of a PAX record ends at the first equals sign. GNU tar writes those of
// attributes' names in this way.
var (
	attrEscape   = strings.NewReplacer("%", "%25", "=", "%3D")
	attrUnescape = strings.NewReplacer("%25", "%", "%3D", "=")
)

// attrName is the attribute that a PAX record holds, "" when it holds none.
func attrName(record string) string {
	name, is := strings.CutPrefix(record, attrPrefix)
	if !is || name == selinuxLabel {
		return ""
	}
	return attrUnescape.Replace(name)
}
