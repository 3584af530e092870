//go:build !linux

package engine

import (
	"errors"
	"io"
)

const againPath = ""

var errLinux = errors.New("a private engine needs linux")

type supervisor struct {
	process
	gate io.WriteCloser
	done chan struct{}
}

const supervise = ""

func spawn(record, string, []string) (*supervisor, error) { return nil, errLinux }
func (s *supervisor) release(subnet, string) error        { return errLinux }
func kill(process) error                                  { return nil }
func unmount(string) error                                { return errLinux }
func checkNamespaces() error                              { return errLinux }
