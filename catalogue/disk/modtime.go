package disk

import "time"

// ModTime is when a file was last written. The error is fs.ErrNotExist for one
// that is not there.
func (d *Dir) ModTime(name string) (time.Time, error) {
	info, err := d.root.Stat(name)
	if err != nil {
		return time.Time{}, cause(err)
	}
	return info.ModTime(), nil
}
