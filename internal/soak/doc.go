// Package soak deploys again and again, with a fault in each deploy, and looks at
// the engine to see whether what galley said was true. It is tests only.
//
// galley is run as its users run it: the built program, a signed catalogue, env
// files, an engine behind DOCKER_HOST. The observer shares no code with package
// deployer: it asks the engine itself, before and after, and decides from that
// alone whether a stack is in its old state, in the new one, or between.
package soak
