package server

import "fmt"

// Below these the engine's disk is low, or about to be full, in per cent of what there
// is, and in bytes.
const (
	lowDisk, fullDisk     = 15, 5
	fullBytes             = 1 << 30
	lowInodes, fullInodes = 10, 3
)

// checkDisks tells how much room is where each engine keeps its data.
func checkDisks(s *Survey) []Finding {
	var found []Finding
	for _, l := range s.answering() {
		switch {
		case l.Facts == nil:
			found = append(found, Finding{"disk", NotKnown, l.Host(), fmt.Sprintf("room in %s: %s", l.Info.DockerRootDir, l.FactsErr), fmt.Sprintf("on that node: df -h %s", l.Info.DockerRootDir)})
		case l.Facts.Disk == nil:
			found = append(found, Finding{"disk", NotKnown, l.Host(), fmt.Sprintf("room in %s: this user may not look there", l.Info.DockerRootDir), fmt.Sprintf("on that node: df -h %s", l.Info.DockerRootDir)})
		default:
			found = append(found, checkDisk(l.Host(), *l.Facts.Disk))
		}
	}
	return found
}

func checkDisk(node string, d Disk) Finding {
	f := Finding{"disk", OK, node, fmt.Sprintf("%s free of %s in %s", Size(d.Free), Size(d.Total), d.Path), ""}
	switch free := percent(d.Free, d.Total); {
	case free < fullDisk || d.Free < fullBytes:
		f.Status = Failed
	case free < lowDisk:
		f.Status = Warning
	}
	if f.Status != OK {
		f.Hint = "docker system df tells what takes the room, docker system prune frees what nobody uses"
	}
	if d.Inodes == 0 { // file systems that have no limit of their own
		return f
	}
	free := percent(d.InodesFree, d.Inodes)
	if free >= lowInodes {
		return f
	}
	f.Text += fmt.Sprintf(", %d of %d inodes free", d.InodesFree, d.Inodes)
	f.Hint = "many small files: docker system df -v tells whose; an ext4 gets more inodes only by making it anew"
	if f.Status == OK {
		f.Status = Warning
	}
	if free < fullInodes {
		f.Status = Failed
	}
	return f
}

func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 100
	}
	return float64(part) * 100 / float64(whole)
}

// Size is a number of bytes in decimal units, as disks have them.
func Size(bytes int64) string {
	size, unit := float64(bytes), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, unit = size/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
