//go:build !linux

package carrier

import (
	"context"
	"io"
	"runtime"

	"github.com/galley-coop/galley/internal/fault"
)

// errSystem: volumes are on machines that run Linux.
var errSystem = fault.New(fault.Unavailable, "folders are carried on Linux only, and this is %s", runtime.GOOS)

// Pack is for Linux only.
func Pack(context.Context, string, []string, io.Writer) (Summary, error) {
	return Summary{}, errSystem
}

// Unpack is for Linux only.
func Unpack(context.Context, string, io.Reader) (Summary, error) { return Summary{}, errSystem }

// Copy is for Linux only.
func Copy(context.Context, string, string) (Summary, error) { return Summary{}, errSystem }

// Empty is for Linux only.
func Empty(context.Context, string) error { return errSystem }

// Space is for Linux only.
func Space(context.Context, string) (Usage, error) { return Usage{}, errSystem }
