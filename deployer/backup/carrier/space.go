//go:build linux

package carrier

import (
	"context"

	"golang.org/x/sys/unix"
)

// Space adds up what is in the folder root, and asks its file system what is free
// for whoever asks.
func Space(ctx context.Context, root string) (Usage, error) {
	fd, err := openRoot(root)
	if err != nil {
		return Usage{}, err
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &fs) }); err != nil {
		return Usage{}, pathError("ask the file system of", root, err)
	}
	s := survey{ctx: ctx, seen: map[inode]uint64{}, names: make([]byte, 64<<10)}
	s.usage.Free, s.usage.InodesFree = int64(fs.Bavail)*int64(fs.Frsize), int64(fs.Ffree)
	if fs.Files == 0 { // as on btrfs
		s.usage.InodesFree = -1
	}
	err = s.folder(fd, "")
	return s.usage, err
}

type survey struct {
	ctx   context.Context
	usage Usage
	seen  map[inode]uint64 // names still to come of inodes with several
	names []byte
}

func (s *survey) folder(fd int, rel string) error {
	for {
		list, err := names(fd, s.names)
		if err != nil {
			return pathError("read folder", rel, err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, name := range list {
			if err := s.entry(fd, name, rel+name); err != nil {
				return err
			}
		}
	}
}

func (s *survey) entry(dirfd int, name, rel string) error {
	if err := ended(s.ctx); err != nil {
		return err
	}
	var st unix.Stat_t
	err := lstatat(dirfd, name, &st)
	if err == unix.ENOENT { // gone meanwhile
		return nil
	}
	if err != nil {
		return pathError("stat", rel, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if !s.again(&st) {
			s.count(&st)
		}
		return nil
	}
	s.count(&st)
	fd, err := openToRead(dirfd, name, unix.O_DIRECTORY)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil
	}
	if err != nil {
		return pathError("open folder", rel, err)
	}
	defer unix.Close(fd)
	return s.folder(fd, rel+"/")
}

func (s *survey) count(st *unix.Stat_t) {
	s.usage.Files++
	s.usage.Used += st.Blocks * 512
}

// again tells a further name of an inode that was counted.
func (s *survey) again(st *unix.Stat_t) bool {
	if st.Nlink < 2 {
		return false
	}
	key := inode{st.Dev, st.Ino}
	left, known := s.seen[key]
	switch {
	case !known:
		s.seen[key] = uint64(st.Nlink) - 1
	case left == 1:
		delete(s.seen, key)
	default:
		s.seen[key] = left - 1
	}
	return known
}
