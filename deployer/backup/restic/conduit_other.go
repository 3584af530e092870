//go:build !unix

package restic

import "os"

// conduit is the way of a stream into restic, a pipe.
type conduit struct{ ours, theirs *os.File }

func newConduit() (*conduit, error) {
	in, out, err := os.Pipe()
	return &conduit{out, in}, err
}

// finish ends restic's input.
func (c *conduit) finish() error { return c.ours.Close() }
