package localregistry

import (
	"archive/tar"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Busybox is Debian's static busybox: a shell and its tools in one binary.
const Busybox = "/bin/busybox"

// applets are the names that a ShellImage gives its busybox.
var applets = []string{
	"sh", "cat", "date", "echo", "env", "grep", "httpd", "id", "kill", "ls", "mkdir", "mv", "printf", "rm", "sleep",
	"stat", "stty", "tail", "tee", "test", "touch", "tr", "true", "tty", "wc", "wget",
}

// ShellImage is an image with a shell: busybox, read from Busybox, under the names
// of its applets, and an empty /tmp. It runs until it is told to end, and writes
// "shell is up" first. cfg, when not nil, changes the image's config. Where busybox
// is missing the error is fs.ErrNotExist.
func ShellImage(platform string, cfg func(*v1.Config)) (v1.Image, error) {
	binary, err := os.ReadFile(Busybox)
	if err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	config := v1.Config{
		Entrypoint: []string{"/bin/sh", "-c", "echo shell is up; trap 'exit 0' TERM; while :; do sleep 1 & wait; done"},
		Env:        []string{"PATH=/bin"}, WorkingDir: "/",
	}
	if cfg != nil {
		cfg(&config)
	}
	files := []*tar.Header{{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(binary))}}
	for _, name := range applets {
		files = append(files, &tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777})
	}
	files = append(files, &tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	return fromLayer(files, binary, platform, config)
}
