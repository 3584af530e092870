package main

type catalogueCmd struct {
	Init    catalogueInitCmd    `cmd:"" help:"Make keys and a galley-catalogue.yml."`
	Build   catalogueBuildCmd   `cmd:"" help:"Build the unsigned catalogue from every version of every source."`
	Sign    catalogueSignCmd    `cmd:"" help:"Check a built catalogue, sign it, and publish it to a folder."`
	Refresh catalogueRefreshCmd `cmd:"" help:"Sign a new timestamp for a published catalogue."`
	Publish cataloguePublishCmd `cmd:"" help:"Copy a signed catalogue to a folder or a registry, for readers."`
	Verify  catalogueVerifyCmd  `cmd:"" help:"Check every file of a published catalogue."`
	Audit   catalogueAuditCmd   `cmd:"" help:"Compare published digests with what registries say now."`
	Diff    catalogueDiffCmd    `cmd:"" help:"Compare two catalogues, or a published one with a build."`
	Show    catalogueShowCmd    `cmd:"" help:"Show a recipe or a version of it."`
	Yank    catalogueYankCmd    `cmd:"" help:"Withdraw a version: the next build marks it, and operators are told."`
	Keys    catalogueKeysCmd    `cmd:"" help:"Make keys, and change who may sign."`
	Search  catalogueSearchCmd  `cmd:"" aliases:"ls" help:"Find recipes by words; without any, list them all."`
	Serve   catalogueServeCmd   `cmd:"" help:"Serve a published catalogue over HTTP, for trying it."`
}

// catalogueConfig is the flag that build and sign share.
type catalogueConfig struct {
	Config string `short:"c" default:"galley-catalogue.yml" help:"The catalogue's configuration." placeholder:"FILE"`
}
