// Package backups breaks backups and restores in every way that their users were
// promised to survive, and looks at what is left. It is tests only.
//
// galley is run as its users run it: the built program, which is its own helper, a
// signed catalogue, env files, real restic repositories, a private engine behind
// DOCKER_HOST. What volumes hold is read below the engine's data root, without galley.
package backups
