// Package server knows the machines that apps run on: their docker contexts, which
// docker's own tools see too, the nodes that are named beside them, what they say of
// themselves, and what is wrong with them.
//
// It refuses to change a machine that was not named, to trust an ssh host key that
// nobody vouched for, and to guess: what cannot be told from here is "not known".
package server
