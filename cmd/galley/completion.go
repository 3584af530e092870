package main

import kongcompletion "github.com/jotaen/kong-completion"

// completionCmd is the library's command with a help text in our form.
type completionCmd struct {
	kongcompletion.Completion `embed:""`
}

func (*completionCmd) Help() string {
	return `Examples:
  galley completion bash           how to switch it on in this shell
  galley completion --code fish    the code itself, for a file

Without a shell's name, the login shell is meant.`
}
