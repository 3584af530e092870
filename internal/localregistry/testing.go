package localregistry

import "testing"

// StartT is Start for a test: it fails the test instead of returning an error,
// and closes the registry when the test ends.
func StartT(t testing.TB, opts ...Option) *Registry {
	t.Helper()
	r, err := Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// PushT pushes for a test and returns the digest that the tag then names.
func (r *Registry) PushT(t testing.TB, repoTag string, img Manifest) string {
	t.Helper()
	if err := r.Push(t.Context(), repoTag, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// TinyT is TinyImage for a test.
func TinyT(t testing.TB, seed string, platforms ...string) Manifest {
	t.Helper()
	img, err := TinyImage(seed, platforms...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
