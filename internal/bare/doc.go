// Package bare makes machines that have nothing but a distribution's base system and an
// sshd, as a hoster hands them over: a debootstrapped root in mount, PID, network and
// host name namespaces of its own. Tests and .ci/bare bootstrap swarms on them.
//
// A site is one or more such machines on a network of their own. The host, where the
// operator is, has an address on it; there is no other way out. apt reaches its mirrors
// by a proxy at that address. Everything lives in namespaces, tmpfs and a directory
// below the caller's, and ends with the process that started it, also when that is
// killed; Close takes away the rest. The only thing that is kept is the root, by day.
//
// It refuses to be a sandbox: whoever is root on such a machine is root.
package bare
