// Package registry turns an image reference into digests: the digest that a tag
// names, and below an index the manifest and config digest of every platform.
// It asks politely: a HEAD where that is enough, immutable facts out of a cache,
// few requests at a time for each host, one token for several repositories, and
// Retry-After and RateLimit fields are obeyed. What it learned is kept, so that a
// run that was stopped goes on.
//
// It refuses what it cannot verify: bytes that do not match their digest, a
// media type that is no image, docker's schema 1, an artifact in an image's
// place, an oversize manifest, a reference that names neither tag nor digest.
// It never pulls an image's layer, never pushes an image, and never puts a
// credential, a token or the query of a URL into an error.
//
// Artifacts is the other use of a registry: files that are no images, pushed and
// read by their digests.
package registry
