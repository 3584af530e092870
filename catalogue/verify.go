package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// VerifyOptions say against what a catalogue is verified.
type VerifyOptions struct {
	// Root is a pinned root metadata file, which the catalogue's roots must
	// contain. Nil takes the first root as it stands.
	Root []byte
	// Now is the moment for expiry; zero means the clock.
	Now time.Time
	// HTTP and Timeout are as in ClientOptions.
	HTTP    *http.Client
	Timeout time.Duration
}

// Verification is the answer of Verify.
type Verification struct {
	Location    string        `json:"location"`
	Fingerprint string        `json:"fingerprint"` // of the first root; "" when none verified
	Checked     int           `json:"checked"`     // files that were read
	Bytes       int64         `json:"bytes"`
	Recipes     int           `json:"recipes"`
	Versions    int           `json:"versions"`
	Problems    []FileProblem `json:"problems"` // by file
	// Leftovers are files that a killed Sign left: in its scratch folder, or
	// metadata under numbers that it did not announce and with keys of a root that
	// it did not publish. Nobody reads them, and the next Sign removes them.
	Leftovers []string `json:"leftovers"`
	// Stale are files under plain names that are those of another catalogue than
	// the current one: of an older one, which a killed Sign did not come to bring up
	// to date, or of one that it did not come to announce. Signed metadata vouches
	// for each byte of them. Only readers that verify nothing read them, and the
	// next Sign puts them right.
	Stale []string `json:"stale"`
}

// FileProblem is one file that is not right, and why. The reason reads on after
// the file's name.
type FileProblem struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Err is nil when everything verified, and else fault.Refused.
func (v *Verification) Err() error {
	if len(v.Problems) == 0 {
		return nil
	}
	p := v.Problems[0]
	err := fault.New(fault.Refused, "catalogue %s does not verify: %s %s", v.Location, p.File, p.Reason)
	if len(v.Problems) > 1 {
		err = fault.New(fault.Refused, "%w (and %d more files)", err, len(v.Problems)-1)
	}
	return err
}

// maxAgain bounds how often Verify starts over because the catalogue was
// published anew meanwhile.
const maxAgain = 3

// Verify checks a published catalogue as a whole: the chain of roots, current
// and older metadata, every copy of every target, every bundle, schemas and what
// the files say of each other. It goes on after a problem. Of a folder, each
// file must be accounted for; of a web address, everything that can be reached
// by name is read.
//
// The error is only for what could not be looked at: the answer is in the
// Verification, even when all of it is bad. No client's state is used or changed.
func Verify(ctx context.Context, location string, opts VerifyOptions) (*Verification, error) {
	v, err := verify(ctx, location, opts)
	if err != nil {
		return nil, err
	}
	return v.out, nil
}

// verify gives the look itself, which knows what the current targets are.
func verify(ctx context.Context, location string, opts VerifyOptions) (*verifier, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	from, err := openFetcher(location, opts.HTTP, opts.Timeout)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	for again := 1; ; again++ {
		v := &verifier{
			ctx: ctx, from: from, opts: opts, accounted: map[string]bool{},
			out: &Verification{Location: from.Location(), Problems: []FileProblem{}, Leftovers: []string{}, Stale: []string{}},
		}
		if err := v.run(); err != nil {
			return nil, fmt.Errorf("verifying catalogue %s: %w", from.Location(), err)
		}
		if again < maxAgain && v.moved() {
			continue
		}
		slices.SortStableFunc(v.out.Problems, func(a, b FileProblem) int { return strings.Compare(a.File, b.File) })
		slices.Sort(v.out.Stale)
		slices.Sort(v.out.Leftovers)
		return v, nil
	}
}

// verifier is one look at a catalogue.
type verifier struct {
	ctx       context.Context
	from      fetcher
	opts      VerifyOptions
	listed    []disk.File // of a folder; nil for a web address
	accounted map[string]bool
	out       *Verification
	stop      error // why nothing more can be looked at

	metadata metadataCheck
}

func (v *verifier) run() error {
	if f, ok := v.from.(folderFetcher); ok {
		var err error
		if v.listed, err = f.dir.List(maxTreeFiles); err != nil {
			return err
		}
	}
	v.checkMetadata()
	v.checkTargets()
	v.checkRest()
	return v.stop
}

// problem names a file once: what follows from the first problem is no news.
func (v *verifier) problem(name string, err error) {
	if !slices.ContainsFunc(v.out.Problems, func(p FileProblem) bool { return p.File == name }) {
		v.out.Problems = append(v.out.Problems, FileProblem{name, cleanLine(err.Error(), maxLine)})
	}
}

// checkRest looks at what a folder holds beside what the metadata led to.
func (v *verifier) checkRest() {
	for _, f := range v.listed {
		_, isBundle := bundleOf(f.Name)
		entry, isEntry := entryOf(f.Name)
		_, hash, isHashed := targetOf(f.Name)
		switch {
		case v.stop != nil:
			return
		case v.accounted[f.Name]:
			if !f.Regular {
				v.problem(f.Name, fmt.Errorf("is not a regular file"))
			}
		case strings.HasPrefix(f.Name, disk.Scratch+"/"):
			v.out.Leftovers = append(v.out.Leftovers, f.Name)
		case !f.Regular:
			v.problem(f.Name, fmt.Errorf("is not a regular file"))
		case isBundle:
			v.oldBundle(f.Name)
		case isEntry:
			v.hashed(f.Name, entry, maxEntry, true)
		case isHashed:
			v.hashed(f.Name, hash, maxTargetFile, true)
		case isTarget(f.Name) && !v.metadata.whole:
			// nothing says what it should be, and that is named already
		case isTarget(f.Name) && v.unannounced(f.Name):
			v.out.Stale = append(v.out.Stale, f.Name)
		default:
			v.problem(f.Name, fmt.Errorf("is not part of the catalogue"))
		}
	}
}

// moved tells whether another timestamp was published since it was read.
func (v *verifier) moved() bool {
	before := v.metadata.timestamp
	now, err := v.from.Fetch(v.ctx, trust.TimestampName, trust.MaxLength(trust.Timestamp))
	return err == nil && before != nil && !bytes.Equal(before, now)
}
