package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/galley-coop/galley/deployer/backup/restic"
)

// PartCheck is how one part read back.
type PartCheck struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`
	Snapshot string `json:"snapshot"`
	Bytes    int64  `json:"bytes"` // as the manifest has it
	OK       bool   `json:"ok"`
	Problem  string `json:"problem"` // "" when it is well
}

// RunCheck is how a run read back.
type RunCheck struct {
	Run     string      `json:"run"`
	Domain  string      `json:"domain"`
	Time    time.Time   `json:"time"`
	OK      bool        `json:"ok"`
	Problem string      `json:"problem"` // of the manifest, "" when it could be read
	Parts   []PartCheck `json:"parts"`
}

// Checked is what Verify found.
type Checked struct {
	OK        bool       `json:"ok"`
	Runs      []RunCheck `json:"runs"`
	Structure string     `json:"structure"` // what restic found wrong with the repository, "" for nothing
}

// VerifyStep is what Verify tells while it works: the part that is read next, or,
// with Check, how it read back.
type VerifyStep struct {
	Run   *Run
	Part  *Part      // nil while restic checks the repository's structure
	Check *PartCheck // nil before
}

// Verify reads every part of the runs back, compares bytes and digest with the
// manifest's, reads tars to their end, and has restic check the repository's
// structure. What is wrong is in the answer; the error is that it could not be
// looked at. report may be nil.
func (r *Repository) Verify(ctx context.Context, runs []Run, report func(VerifyStep)) (Checked, error) {
	if report == nil {
		report = func(VerifyStep) {}
	}
	all := Checked{OK: true, Runs: []RunCheck{}}
	for i := range runs {
		check, err := r.verifyRun(ctx, &runs[i], report)
		if err != nil {
			return all, err
		}
		all.Runs, all.OK = append(all.Runs, check), all.OK && check.OK
	}
	report(VerifyStep{})
	if err := r.Check(ctx, false); couldNotLook(ctx, err) {
		return all, err
	} else if err != nil {
		all.OK, all.Structure = false, err.Error()
	}
	return all, nil
}

func (r *Repository) verifyRun(ctx context.Context, run *Run, report func(VerifyStep)) (RunCheck, error) {
	check := RunCheck{Run: run.ID, Domain: run.Domain, Time: run.Time, OK: true, Parts: []PartCheck{}}
	m, err := r.LoadManifest(ctx, run)
	if couldNotLook(ctx, err) {
		return check, err
	}
	if err != nil {
		check.OK, check.Problem = false, err.Error()
		return check, nil
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		report(VerifyStep{Run: run, Part: p})
		err := r.verifyPart(ctx, p)
		if couldNotLook(ctx, err) {
			return check, err
		}
		part := PartCheck{Kind: p.Kind, Name: p.Name, Snapshot: p.Snapshot, Bytes: p.Bytes, OK: err == nil}
		if err != nil {
			part.Problem, check.OK = err.Error(), false
		}
		check.Parts = append(check.Parts, part)
		report(VerifyStep{Run: run, Part: p, Check: &part})
	}
	return check, nil
}

// couldNotLook tells an error that says nothing of what is stored.
func couldNotLook(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	for _, problem := range []restic.Problem{
		restic.NotInstalled, restic.TooOld, restic.NoPassword, restic.WrongPassword, restic.NoRepository,
		restic.Unreachable, restic.Denied, restic.NoSpace, restic.Locked, restic.Stalled,
	} {
		if restic.Is(err, problem) {
			return true
		}
	}
	return false
}

// verifyPart reads a part to its end, and its tar, where it is one.
func (r *Repository) verifyPart(ctx context.Context, p *Part) error {
	if !p.Tar() {
		return r.ReadPart(ctx, p, io.Discard)
	}
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := readTar(reader)
		_, _ = io.Copy(io.Discard, reader) // the digest is of all of it
		read <- err
	}()
	err := r.ReadPart(ctx, p, writer)
	_ = writer.CloseWithError(err) // never fails (io.Pipe)
	if broken := <-read; err == nil && broken != nil {
		err = fmt.Errorf("%s %q: its tar cannot be read: %w", p.Kind, p.Name, broken)
	}
	return err
}

func readTar(r io.Reader) error {
	for archive := tar.NewReader(r); ; {
		_, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			_, err = io.Copy(io.Discard, archive)
		}
		if err != nil {
			return err
		}
	}
}
