package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// copiers is how many files are copied at once: each waits for its disk.
const copiers = 4

// folderPublisher copies a catalogue into a folder.
type folderPublisher struct {
	src  *publishSource
	to   *disk.Dir
	opts PublishOptions
	out  *Published

	there map[string]int64 // sizes of what the target has
	same  bool             // the target has this very timestamp

	mu      sync.Mutex
	done    int
	folders map[string]bool // written to, and those above
}

func publishFolder(ctx context.Context, src *publishSource, opts PublishOptions, out *Published) (err error) {
	if err := apart(opts.Public, opts.Target); err != nil {
		return err
	}
	to, err := disk.Create(opts.Target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	unlock, err := lockFolder(ctx, opts.Target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Sweep(), unlock()) }()
	p := &folderPublisher{src: src, to: to, opts: opts, out: out, folders: map[string]bool{}}
	if err := p.look(); err != nil {
		return err
	}
	if err := p.copyAll(ctx); err != nil {
		return err
	}
	return p.remove()
}

// apart refuses a target in, or around, the folder that is published.
func apart(public, target string) error {
	var real [2]string
	for i, name := range []string{public, target} {
		found, err := realPath(name)
		if err != nil {
			return err
		}
		real[i] = strings.TrimSuffix(found, "/") + "/"
	}
	if strings.HasPrefix(real[0], real[1]) || strings.HasPrefix(real[1], real[0]) {
		err := fault.New(fault.Usage, "%q and %q are not apart", public, target)
		return fault.Hint(err, "publish to a folder beside the signed one")
	}
	return nil
}

// realPath is a path without links. What is not there yet has none.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	for above, rest := abs, ""; ; above, rest = filepath.Dir(above), filepath.Join(filepath.Base(above), rest) {
		found, err := filepath.EvalSymlinks(above)
		if err == nil {
			return filepath.Join(found, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || above == filepath.Dir(above) {
			return "", err
		}
	}
}

// look reads what stands at the target, and refuses to go back from it.
func (p *folderPublisher) look() (err error) {
	if p.there, err = sizesOf(p.to.Name()); err != nil {
		return err
	}
	there := standing{roots: map[string]string{}}
	for name := range p.there {
		if !rootName.MatchString(name) {
			continue
		}
		data, err := p.to.Read(name, trust.MaxLength(trust.Root))
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		there.roots[name] = hashOf(data)
	}
	there.timestamp, err = p.to.Read(trust.TimestampName, trust.MaxLength(trust.Timestamp))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", trust.TimestampName, err)
	}
	p.same = string(there.timestamp) == string(p.src.timestamp)
	p.out.Previous, err = p.src.follow(there)
	return err
}

// copyAll copies in the order that readers rely on. New roots come after what is
// signed under them, and close before the timestamp: a reader who has them takes
// no timestamp of a key that they revoke. Plain names that others read change
// after it, as Sign does it.
func (p *folderPublisher) copyAll(ctx context.Context) error {
	var first, changed []string
	for _, name := range p.src.plain {
		if _, isThere := p.there[name]; isThere {
			changed = append(changed, name)
			continue
		}
		first = append(first, name)
	}
	for _, names := range [][]string{p.src.content, p.src.metadata, first} {
		if err := p.copy(ctx, names); err != nil {
			return err
		}
	}
	if err := p.sync(); err != nil {
		return err
	}
	if err := p.src.unchanged(); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(p.src.rootFiles), trust.TimestampName) {
		if err := p.copyOne(ctx, name); err != nil {
			return err
		}
	}
	if err := p.copy(ctx, changed); err != nil {
		return err
	}
	return p.sync()
}

func (p *folderPublisher) copy(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for _, name := range names {
		group.Go(func() error { return p.copyOne(ctx, name) })
	}
	return group.Wait()
}

func (p *folderPublisher) copyOne(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Interrupted, err)
	}
	defer p.progress()
	_, isContent := contentHash(name)
	size, isThere := p.there[name]
	if isContent && isThere && size == p.src.sizes[name] && !p.opts.Recheck {
		return nil
	}
	data := p.src.timestamp
	if name != trust.TimestampName {
		var err error
		if data, err = p.src.file(name); err != nil {
			return err
		}
	}
	if isThere {
		old, err := p.to.Read(name, int64(len(data)))
		if err == nil && string(old) == string(data) {
			return nil
		}
		if versionedName.MatchString(name) && !p.same {
			err := fault.New(fault.Refused, "the target has another %s", name)
			return fault.Hint(err, "two machines sign this catalogue, or the file was damaged: see galley catalogue verify of the target")
		}
	}
	if err := p.to.Write(name, data); err != nil {
		return err
	}
	p.wrote(name, len(data))
	return nil
}

func (p *folderPublisher) progress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.opts.Progress(PublishEvent{Stage: "copying", Done: p.done, Total: len(p.src.sizes)})
}

func (p *folderPublisher) wrote(name string, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Written++
	p.out.WrittenBytes += int64(bytes)
	for folder := path.Dir(name); ; folder = path.Dir(folder) {
		p.folders[folder] = true
		if folder == "." {
			return
		}
	}
}

func (p *folderPublisher) sync() error {
	for folder := range p.folders {
		if err := p.to.Sync(folder); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what readers of the target are done with.
func (p *folderPublisher) remove() error {
	done, err := trust.Superseded(p.to, p.opts.Now, p.opts.Keep)
	if err != nil {
		return err
	}
	for name := range p.there {
		if isPlain(name) { // of a catalogue that was not announced, when it is not current
			done.Remove = append(done.Remove, name)
		}
	}
	for _, name := range done.Remove {
		if !p.isSuperseded(name) {
			continue
		}
		if err := p.to.Remove(name); err != nil {
			return err
		}
		p.out.Removed = append(p.out.Removed, name)
	}
	return nil
}

// isSuperseded tells what may be removed when nobody needs it any more.
func (p *folderPublisher) isSuperseded(name string) bool {
	_, isContent := contentHash(name)
	_, isCurrent := p.src.sizes[name]
	_, isThere := p.there[name]
	return isThere && !isCurrent && (isContent || isPlain(name) || versionedName.MatchString(name) && !rootName.MatchString(name))
}
