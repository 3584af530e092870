package main

// serverMachineCmds change machines over ssh.
type serverMachineCmds struct {
	Bootstrap serverBootstrapCmd `cmd:"" help:"Make a bare machine a swarm's manager, over ssh."`
	Join      serverJoinCmd      `cmd:"" help:"Make a bare machine a node of a server's swarm, over ssh."`
}
