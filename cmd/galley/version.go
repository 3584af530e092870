package main

import (
	"runtime"
	"runtime/debug"
)

// release is set by the linker in release builds: -X main.release=1.2.3.
var release string

// buildVersion is the release, else what the go command recorded.
func buildVersion() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && version == "(devel)" {
			version = "devel-" + s.Value[:12]
		}
	}
	if version == "" || version == "(devel)" {
		return "devel"
	}
	return version
}

type versionCmd struct{}

func (versionCmd) Help() string {
	return "Examples:\n  galley version\n  galley version --output json"
}

// Run prints the version of galley, of Go, and the platform.
func (versionCmd) Run(s *streams) error {
	if s.json {
		return s.printJSON(map[string]string{
			"version": buildVersion(), "go": runtime.Version(), "os": runtime.GOOS, "architecture": runtime.GOARCH,
		})
	}
	s.printf("galley %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
