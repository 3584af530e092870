package main

import (
	"context"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/lint/lsp"
	"github.com/galley-coop/galley/rules"
)

type lspCmd struct {
	Config string `help:"Configuration (default: the nearest .galley.yml)." placeholder:"FILE"`
}

func (lspCmd) Help() string {
	return `Examples:
  galley lsp        what an editor starts, and speaks to over standard input and output

Findings as diagnostics while you type, a rule's page on hover, fixes as actions.`
}

// Run serves one editor until it says exit or closes standard input.
func (c *lspCmd) Run(ctx context.Context, s *streams) error {
	options := lsp.Options{Rules: rules.All(), Page: rules.Page, Version: buildVersion()}
	if c.Config != "" {
		configs, err := lint.OneConfig(c.Config)
		if err != nil {
			return err
		}
		options.Load.Configs = configs
	}
	return lsp.Serve(ctx, s.in, s.out, options)
}
