package report

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
)

// inOrder writes n things to out, the first one first. They are made on all
// processors, in as many parts: a report of thousands of findings takes longer
// than the reading of the files.
func inOrder(out *bytes.Buffer, n int, write func(out *bytes.Buffer, i int) error) error {
	const small = 100 // not worth a goroutine
	workers := max(1, min(runtime.GOMAXPROCS(0), n/small))
	parts, errs := make([]bytes.Buffer, workers), make([]error, workers)
	var group sync.WaitGroup
	for part := range workers {
		group.Go(func() {
			for i := n * part / workers; i < n*(part+1)/workers && errs[part] == nil; i++ {
				errs[part] = write(&parts[part], i)
			}
		})
	}
	group.Wait()
	for i := range parts {
		out.Write(parts[i].Bytes())
	}
	return errors.Join(errs...)
}
