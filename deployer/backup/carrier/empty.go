//go:build linux

package carrier

import (
	"context"

	"golang.org/x/sys/unix"
)

// Empty removes everything below the folder root, and follows no link. The folder
// itself stays. What was removed until an error is gone.
func Empty(ctx context.Context, root string) error {
	fd, err := openRoot(root)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return empty(ctx, fd, "", make([]byte, 64<<10))
}

// empty reads the folder from its beginning until nothing is in it: what a folder
// lists while its entries are removed is not certain.
func empty(ctx context.Context, fd int, rel string, buf []byte) error {
	for {
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return pathError("read folder", rel, err)
		}
		list, err := names(fd, buf)
		if err != nil {
			return pathError("read folder", rel, err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, name := range list {
			if err := ended(ctx); err != nil {
				return err
			}
			if err := remove(ctx, fd, name, rel+name, buf); err != nil {
				return err
			}
		}
	}
}

func remove(ctx context.Context, dirfd int, name, rel string, buf []byte) error {
	err := retry(func() error { return unix.Unlinkat(dirfd, name, 0) })
	if err == unix.EISDIR {
		err = removeFolder(ctx, dirfd, name, rel, buf)
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if _, wrapped := err.(unix.Errno); wrapped {
		return pathError("remove", rel, err)
	}
	return err
}

func removeFolder(ctx context.Context, dirfd int, name, rel string, buf []byte) error {
	fd, err := openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := empty(ctx, fd, rel+"/", buf); err != nil {
		return err
	}
	return retry(func() error { return unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR) })
}
