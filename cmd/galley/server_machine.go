package main

// serverMachineCmds change machines over ssh.
type serverMachineCmds struct{}
