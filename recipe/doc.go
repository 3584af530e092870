// Package recipe reads one recipe, whole, from any fs.FS: its compose file and
// overlays with the position of every key and value, its sample env file, the
// exports of its abra.sh, its README's metadata, its release notes.
//
// A work tree, a git tree at a tag, a bundle and a test's map are one case to
// it. It judges nothing (package lint and rules do), fetches nothing (recipe/source
// does), and never executes what it reads. A part that is missing is nil, a part
// that cannot be read is a Problem beside the parts that can: one broken file
// never hides the others.
package recipe
