package registry

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/galley-coop/galley/internal/fault"
)

// target is a reference that can be asked for, and where.
type target struct {
	ref  Reference
	repo name.Repository
	err  error
}

// target reads a reference that is to be asked for, and finds out where. What it
// found is kept: reading costs more than it seems, and one reference is read at
// several places.
func (r *Resolver) target(ref string) (Reference, name.Repository, error) {
	if known, ok := r.targets.Load(ref); ok {
		t := known.(target)
		return t.ref, t.repo, t.err
	}
	var t target
	t.ref, t.err = ParseReference(ref)
	if t.err == nil {
		t.err = t.ref.check()
	}
	if t.err == nil {
		t.repo, t.err = r.repository(t.ref)
	}
	r.targets.Store(ref, t)
	if t.err == nil {
		r.targets.Store(t.ref.String(), t)
	}
	return t.ref, t.repo, t.err
}

// repository is where a reference is really asked for, after rewrites.
func (r *Resolver) repository(ref Reference) (name.Repository, error) {
	rewritten := rewrite(r.opts.Rewrites, ref.Name())
	host, path, ok := strings.Cut(rewritten, "/")
	if !ok || path == "" {
		return name.Repository{}, badRewrite(ref, rewritten)
	}
	// Parsed once more, for a replacement can be anything.
	if rewritten != ref.Name() {
		if parsed, err := ParseReference(rewritten); err != nil || parsed.Name() != rewritten {
			return name.Repository{}, badRewrite(ref, rewritten)
		}
	}
	var opts []name.Option
	if slices.Contains(r.opts.Insecure, host) {
		opts = append(opts, name.Insecure)
	}
	registry, err := name.NewRegistry(host, opts...)
	if err != nil {
		return name.Repository{}, badRewrite(ref, rewritten)
	}
	return registry.Repo(path), nil
}

func badRewrite(ref Reference, rewritten string) error {
	return fault.Hint(
		fault.New(fault.Usage, "image reference %q: %q is no registry host and repository", ref.Familiar(), rewritten),
		`a rewrite maps host[/prefix] to host[:port][/prefix], as in "docker.io" to "mirror.example.org/hub"`)
}

// rewrite replaces the longest host or host/prefix that a name begins with,
// whole path components only.
func rewrite(rewrites map[string]string, full string) string {
	best, replacement := "", ""
	for from, to := range rewrites {
		from = strings.TrimSuffix(from, "/")
		if len(from) > len(best) && (full == from || strings.HasPrefix(full, from+"/")) {
			best, replacement = from, strings.TrimSuffix(to, "/")
		}
	}
	if best == "" {
		return full
	}
	return replacement + full[len(best):]
}

// identify is ggcr's form of a reference: by digest when there is one.
func identify(repo name.Repository, ref Reference) name.Reference {
	if ref.Digest != "" {
		return repo.Digest(ref.Digest)
	}
	return repo.Tag(ref.Tag)
}

// hostName is the host as people know it: ggcr talks to index.docker.io.
func hostName(repo name.Repository) string { return publicName(repo.RegistryStr()) }

func publicName(host string) string {
	if host != name.DefaultRegistry {
		return host
	}
	return "docker.io"
}

// askedName is a reference as it is asked for, after rewrites: the key of what
// was learned, so that one mirror's answer is never taken for another's.
func askedName(repo name.Repository, ref Reference) string {
	return Reference{Domain: hostName(repo), Path: repo.RepositoryStr(), Tag: ref.Tag, Digest: ref.Digest}.String()
}
