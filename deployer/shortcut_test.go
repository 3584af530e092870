package deployer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/galley-coop/galley/deployer/shortcut"
)

// shortcutRig is a volume of some megabytes, and a helper that packs it.
type shortcutRig struct {
	*rig
	carrier *Carrier
	options CarryOptions
	log     *bytes.Buffer
}

func newShortcutRig(t *testing.T, name string) *shortcutRig {
	r := newRig(t, name)
	s := &shortcutRig{rig: r, carrier: r.helper(), log: &bytes.Buffer{}}
	s.carrier.shortcuts = t.TempDir()
	at := CarryVolume{Name: r.volume("data"), Target: "/volume"}
	var in bytes.Buffer
	w := tar.NewWriter(&in)
	data := bytes.Repeat([]byte("what a volume holds\n"), 200_000)
	_ = w.WriteHeader(&tar.Header{Name: "file", Mode: 0o640, Size: int64(len(data))})
	_, _ = w.Write(data)
	_ = w.Close() // a buffer takes all
	s.options = CarryOptions{Stack: r.stack, Volumes: []CarryVolume{at}, Args: []string{"unpack", "/volume"}, Stdin: &in, Log: s.log}
	if code, err := s.carrier.Run(t.Context(), s.options); err != nil || code != 0 {
		t.Fatalf("%d, %v: %s", code, err, s.log)
	}
	s.options.Args, s.options.Stdin, s.options.Shortcut = []string{"pack", "/volume"}, nil, true
	return s
}

// pack has the volume packed into out.
func (s *shortcutRig) pack(ctx context.Context, out io.Writer, o CarryOptions) (int, error) {
	s.log.Reset()
	o.Stdout = out
	return s.carrier.Run(ctx, o)
}

// unpack has a stream unpacked.
func (s *shortcutRig) unpack(ctx context.Context, in io.Reader, o CarryOptions) (int, error) {
	s.log.Reset()
	o.Stdin = in
	return s.carrier.Run(ctx, o)
}

// meets runs a helper, which must come to the shortcut.
func (s *shortcutRig) meets(o CarryOptions) {
	s.t.Helper()
	short, err := shortcut.Open(s.carrier.shortcuts)
	if err != nil {
		s.t.Fatal(err)
	}
	defer short.Close()
	s.log.Reset()
	id, err := s.carrier.create(s.t.Context(), o, short)
	if err != nil {
		s.t.Fatal(err)
	}
	if code, err := s.carrier.run(s.t.Context(), id, o, short); err != nil || code != 0 {
		s.t.Errorf("%d, %v: %s", code, err, s.log)
	}
	if !short.Came() {
		s.t.Error("nobody came")
	}
}

// nothingLeft checks that neither helper nor folder is.
func (s *shortcutRig) nothingLeft() {
	s.t.Helper()
	s.noCarriers()
	if left, err := os.ReadDir(s.carrier.shortcuts); err != nil || len(left) > 0 {
		s.t.Errorf("%q is left, %v", left, err)
	}
}

// TestShortcut has a helper's output come past the engine and through it.
func TestShortcut(t *testing.T) {
	s := newShortcutRig(t, "shortcut")
	var usual bytes.Buffer
	plain := s.options
	plain.Shortcut = false
	if code, err := s.pack(t.Context(), &usual, plain); err != nil || code != 0 || usual.Len() < 4_000_000 {
		t.Fatalf("%d, %v, %d bytes: %s", code, err, usual.Len(), s.log)
	}
	said := s.log.String()

	t.Log("past the engine it is the same")
	var past bytes.Buffer
	o := s.options
	o.Stdout = &past
	s.meets(o)
	if s.log.String() != said || !bytes.Equal(past.Bytes(), usual.Bytes()) {
		t.Errorf("%d bytes of %d: %s", past.Len(), usual.Len(), s.log)
	}
	past.Reset()
	if code, err := s.pack(t.Context(), &past, s.options); err != nil || code != 0 || !bytes.Equal(past.Bytes(), usual.Bytes()) {
		t.Errorf("%d, %v: %s", code, err, s.log)
	}
	s.nothingLeft()

	t.Log("and what goes in is, too")
	o = s.options
	o.Args, o.Volumes = []string{"unpack", "/volume"}, []CarryVolume{{Name: s.volume("into"), Target: "/volume"}}
	o.Stdin = bytes.NewReader(usual.Bytes())
	s.meets(o)
	if s.log.String() != said {
		t.Errorf("%s", s.log)
	}
	if code, err := s.unpack(t.Context(), bytes.NewReader(usual.Bytes()), o); err != nil || code != 0 || s.log.String() != said {
		t.Errorf("%d, %v: %s", code, err, s.log)
	}
	past.Reset()
	o.Args, o.Stdin = s.options.Args, nil
	if code, err := s.pack(t.Context(), &past, o); err != nil || code != 0 || !bytes.Equal(past.Bytes(), usual.Bytes()) {
		t.Errorf("%d, %v, %d bytes of %d: %s", code, err, past.Len(), usual.Len(), s.log)
	}
	s.nothingLeft()

	t.Log("a program that knows nothing of it writes as ever")
	var space bytes.Buffer
	o = s.options
	o.Args = []string{"space", "/volume"}
	if code, err := s.pack(t.Context(), &space, o); err != nil || code != 0 || !strings.Contains(space.String(), `"used"`) {
		t.Errorf("%d, %v: %s", code, err, &space)
	}
	s.nothingLeft()

	t.Log("an engine that does not see the folder")
	dir := t.TempDir()
	if err := syscall.Mount("galley-test", dir, "tmpfs", 0, "size=1m"); err != nil { // the engine has mounts of its own
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s.carrier.shortcuts = dir
	hidden, err := shortcut.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer hidden.Close()
	if _, err := s.carrier.create(t.Context(), o, hidden); !errdefs.IsInvalidArgument(err) {
		t.Errorf("it made the container: %v", err)
	}
	hidden.Close()
	past.Reset()
	if code, err := s.pack(t.Context(), &past, s.options); err != nil || code != 0 || !bytes.Equal(past.Bytes(), usual.Bytes()) {
		t.Errorf("%d, %v: %s", code, err, s.log)
	}
	s.nothingLeft()
}

// TestShortcutBreaks has things go wrong in the middle of a stream.
func TestShortcutBreaks(t *testing.T) {
	s := newShortcutRig(t, "shortcutbreaks")
	full := errors.New("nobody takes it")
	if _, err := s.pack(t.Context(), breaking{full}, s.options); !errors.Is(err, full) {
		t.Errorf("a sink that fails: %v", err)
	}
	s.nothingLeft()

	ctx, cancel := context.WithCancel(t.Context())
	code, err := s.pack(ctx, onWrite(func() { cancel(); <-ctx.Done() }), s.options)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %d, %v", code, err)
	}
	s.nothingLeft()

	killed := false
	code, err = s.pack(t.Context(), onWrite(func() {
		if killed {
			return
		}
		killed = true
		_, id, _ := strings.Cut(s.carriers()[0], " ")
		if err := s.api.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}), s.options)
	if err == nil && code == 0 || strings.Contains(s.log.String(), "sha256") {
		t.Errorf("a helper that was killed: %d, %v: %s", code, err, s.log)
	}
	s.nothingLeft()
}

// TestShortcutInBreaks has things go wrong in the middle of what goes in.
func TestShortcutInBreaks(t *testing.T) {
	s := newShortcutRig(t, "shortcutin")
	var whole bytes.Buffer
	if code, err := s.pack(t.Context(), &whole, s.options); err != nil || code != 0 {
		t.Fatalf("%d, %v: %s", code, err, s.log)
	}
	s.options.Args = []string{"unpack", "/volume"}
	half := whole.Bytes()[:whole.Len()/2]

	broken := errors.New("the source broke")
	if code, err := s.unpack(t.Context(), io.MultiReader(bytes.NewReader(half), breaking{broken}), s.options); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %d, %v", code, err)
	}
	s.nothingLeft()

	if code, err := s.unpack(t.Context(), bytes.NewReader(half), s.options); err != nil || code == 0 || !strings.Contains(s.log.String(), "too early") {
		t.Errorf("half of a stream: %d, %v: %s", code, err, s.log)
	}
	s.nothingLeft()

	ctx, cancel := context.WithCancel(t.Context())
	code, err := s.unpack(ctx, io.MultiReader(bytes.NewReader(half), onRead(func() error { cancel(); <-ctx.Done(); return io.EOF })), s.options)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %d, %v", code, err)
	}
	s.nothingLeft()

	t.Log("a helper that ends before its input does")
	o := s.options
	o.Args = []string{"unpack", "/nowhere"}
	endless := onRead(func() error { return nil })
	if code, err := s.unpack(t.Context(), endless, o); err != nil || code == 0 {
		t.Errorf("%d, %v: %s", code, err, s.log)
	}
	s.nothingLeft()
}

// onRead is called at each read, which gives zeros.
type onRead func() error

func (f onRead) Read(p []byte) (int, error) { return len(p), f() }

// onWrite is called at each write.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }
