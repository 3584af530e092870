//go:build linux

package carrier

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// atATime bounds the names of one folder that are sorted and held at a time.
// Up to so many the stream is in the order of names, and so the same for the
// same files, which is what lets a repository store them once.
const atATime = 1 << 16

// retry repeats a call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// pathError words a failed call as the standard library does.
func pathError(op, rel string, err error) error {
	return &fs.PathError{Op: op, Path: rel, Err: err}
}

// openRoot opens the folder that everything happens in.
func openRoot(root string) (int, error) {
	fd, err := openat(unix.AT_FDCWD, root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, pathError("open", root, err)
	}
	return fd, nil
}

// openat opens without following a link in the last element, unless dirfd is
// AT_FDCWD, and without waiting for the other end of a fifo.
func openat(dirfd int, name string, flags int, mode uint32) (fd int, err error) {
	flags |= unix.O_CLOEXEC | unix.O_NONBLOCK
	if dirfd != unix.AT_FDCWD {
		flags |= unix.O_NOFOLLOW
	}
	err = retry(func() error {
		fd, err = unix.Openat(dirfd, name, flags, mode)
		return err
	})
	return fd, err
}

// openToRead opens a file or folder below dirfd, and leaves its access time alone
// where it may.
func openToRead(dirfd int, name string, flags int) (int, error) {
	fd, err := openat(dirfd, name, flags|unix.O_RDONLY|unix.O_NOATIME, 0)
	if err == unix.EPERM { // not the owner's, and without CAP_FOWNER
		return openat(dirfd, name, flags|unix.O_RDONLY, 0)
	}
	return fd, err
}

func lstatat(dirfd int, name string, st *unix.Stat_t) error {
	return retry(func() error { return unix.Fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// names reads the next names of an open folder, sorted, at most about atATime of
// them; none at its end. buf is scratch space.
func names(fd int, buf []byte) ([]string, error) {
	var found []string
	for len(found) < atATime {
		var n int
		err := retry(func() (err error) {
			n, err = unix.ReadDirent(fd, buf)
			return err
		})
		if err == unix.ENOENT { // the folder itself is gone
			break
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		_, _, found = unix.ParseDirent(buf[:n], -1, found)
	}
	slices.Sort(found)
	return found, nil
}

// readlinkat reads where a link points to. A link's size is only a hint: some file
// systems say 0.
func readlinkat(dirfd int, name string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(dirfd, name, buf)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// viaProc names an entry of an open folder for calls that know no folders and
// must not follow it, such as lgetxattr: a path of any depth stays short, and no
// link on the way is followed.
func viaProc(dirfd int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + name
}

// widen gives a pipe room for more, so that its two ends wait for each other less.
// It is a wish: who may not have it goes on without.
func widen(stream any) {
	conn, ok := stream.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}

// kindText names what an inode is.
func kindText(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFDIR:
		return "folder"
	}
	return fmt.Sprintf("inode of kind %#o", mode&unix.S_IFMT)
}
