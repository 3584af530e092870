package catalogue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// publishSource is a signed folder that was verified as a whole, and what its
// files are to a publisher.
type publishSource struct {
	dir       *disk.Dir
	sizes     map[string]int64 // of every file
	timestamp []byte
	version   int64             // of the timestamp
	roots     map[string]string // metadata/N.root.json → SHA-256
	// current are the copies that the plain names are to be: these may be behind,
	// after a Sign that was killed.
	current map[string]string
	// leftovers are not published: nothing vouches for them.
	leftovers []string

	// The files in the order in which they are published, the timestamp excepted:
	// those with their hash in the name, versioned metadata, roots; and those that
	// change in place, which come after it.
	content, metadata, plain, rootFiles []string
}

var (
	rootName      = regexp.MustCompile(`^` + trust.Folder + `/[1-9][0-9]*\.root\.json$`)
	anyHash       = regexp.MustCompile(`[0-9a-f]{64}`)
	versionedName = regexp.MustCompile(`^` + trust.Folder + `/[1-9][0-9]*\.[^/]+\.json$`)
)

// openSource verifies the folder. The timestamp is read before: what is
// published is the catalogue that it leads to, and a folder that is signed anew
// meanwhile is noticed.
func openSource(ctx context.Context, opts PublishOptions) (_ *publishSource, err error) {
	dir, err := disk.Open(opts.Public)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening the signed catalogue: %w", err), "galley catalogue sign makes it")
	}
	defer func() {
		if err != nil {
			_ = dir.Close()
		}
	}()
	s := &publishSource{dir: dir, roots: map[string]string{}, current: map[string]string{}}
	if s.timestamp, err = s.read(trust.TimestampName, trust.MaxLength(trust.Timestamp)); err != nil {
		return nil, err
	}
	opts.Progress(PublishEvent{Stage: "verifying"})
	verified, err := verify(ctx, opts.Public, VerifyOptions{Root: opts.Root, Now: opts.Now})
	if err != nil {
		return nil, err
	}
	if err := verified.out.Err(); err != nil {
		return nil, fault.Hint(err, "sign the catalogue again; nothing was published")
	}
	for name, f := range verified.metadata.targets {
		s.current[name] = trust.HashedName(name, f.SHA256)
	}
	s.leftovers = verified.out.Leftovers
	s.current[trust.RootCopyName] = trust.Name(trust.Root, verified.metadata.chain.Version())
	doc, err := trust.Parse(trust.Timestamp, s.timestamp)
	if err != nil {
		return nil, s.refuse(trust.TimestampName, err)
	}
	s.version = doc.Version
	if s.sizes, err = sizesOf(dir.Name()); err != nil {
		return nil, fmt.Errorf("listing the signed catalogue: %w", err)
	}
	return s, s.sort()
}

func (s *publishSource) refuse(name string, err error) error {
	return fault.New(fault.Refused, "%s in %q %w", name, s.dir.Name(), err)
}

// sort tells what each file is. What it does not know is refused: it was not
// signed.
func (s *publishSource) sort() error {
	for _, name := range slices.Sorted(maps.Keys(s.sizes)) {
		_, isContent := contentHash(name)
		switch {
		case isContent:
			s.content = append(s.content, name)
		case slices.Contains(s.leftovers, name):
			delete(s.sizes, name)
		case name == trust.TimestampName:
		case rootName.MatchString(name):
			data, err := s.read(name, trust.MaxLength(trust.Root))
			if err != nil {
				return err
			}
			s.roots[name], s.rootFiles = hashOf(data), append(s.rootFiles, name)
		case versionedName.MatchString(name):
			s.metadata = append(s.metadata, name)
		case s.current[name] != "":
			s.plain = append(s.plain, name)
		case isTarget(name):
			delete(s.sizes, name) // of a catalogue that was not announced
		default:
			return s.refuse(name, errors.New("is no file of a catalogue"))
		}
	}
	slices.SortFunc(s.rootFiles, func(a, b string) int { return rootVersion(a) - rootVersion(b) })
	return nil
}

func rootVersion(name string) int {
	number, _, _ := strings.Cut(strings.TrimPrefix(name, trust.Folder+"/"), ".")
	version, _ := strconv.Atoi(number) // rootName matched
	return version
}

// read reads a file whose hash nothing but metadata names.
func (s *publishSource) read(name string, limit int64) ([]byte, error) {
	data, err := s.dir.Read(name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.refuse(name, errors.New("is missing"))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %q: %w", name, s.dir.Name(), err)
	}
	return data, nil
}

// file reads any file of the source. One with its hash in the name must match
// it, and one that changes in place is read under the name that does not.
func (s *publishSource) file(name string) ([]byte, error) {
	name = cmp.Or(s.current[name], name)
	data, err := s.dir.Read(name, s.sizes[name])
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrTooLarge) {
		return nil, s.changed(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %q: %w", name, s.dir.Name(), err)
	}
	hash, isContent := contentHash(name)
	if isContent && hashOf(data) != hash {
		return nil, s.refuse(name, errors.New("is not the file that its name says: wrong hash"))
	}
	return data, nil
}

// changed is for a file that is not what was verified.
func (s *publishSource) changed(name string) error {
	err := fault.New(fault.Unavailable, "%s in %q changed while it was being published", name, s.dir.Name())
	return fault.Hint(err, "it was signed meanwhile; publish again")
}

// unchanged sees that nobody signed the folder anew since it was verified.
func (s *publishSource) unchanged() error {
	now, err := s.read(trust.TimestampName, trust.MaxLength(trust.Timestamp))
	if err != nil {
		return err
	}
	if !bytes.Equal(now, s.timestamp) {
		return s.changed(trust.TimestampName)
	}
	return nil
}

// sizesOf is the size of every regular file below a folder, those that are being
// written excepted.
func sizesOf(folder string) (map[string]int64, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	sizes := map[string]int64{}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name == disk.Scratch:
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err == nil {
			sizes[name] = info.Size()
		}
		return err
	})
	return sizes, err
}
