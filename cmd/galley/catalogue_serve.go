package main

import (
	"context"
	"time"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueServeCmd struct {
	Dir    string `arg:"" default:"public" help:"The published catalogue."`
	Listen string `default:"127.0.0.1:8080" help:"Where to answer; port 0 takes a free one." placeholder:"HOST:PORT"`
}

func (catalogueServeCmd) Help() string {
	return `Examples:
  galley catalogue serve
  galley catalogue serve /srv/www/catalogue --listen 127.0.0.1:0
  GALLEY_CATALOGUE=http://127.0.0.1:8080 galley catalogue search

For trying a catalogue before it is published: plain HTTP, the catalogue's files
and nothing else in the folder, with the headers that a cache should see. For
readers, any web server does. Standard error has a line for each request. It
ends with ctrl-C.`
}

// Run serves until it is interrupted, which is how it ends well. In JSON the
// answer is the address, as soon as there is one.
func (c *catalogueServeCmd) Run(ctx context.Context, s *streams) error {
	var printed error
	err := catalogue.Serve(ctx, catalogue.ServeOptions{
		Dir: c.Dir, Listen: c.Listen, Access: s.showAccess,
		Ready: func(address string) {
			s.notef("galley: serving %s at %s; end with ctrl-C\n", oneLine(c.Dir), address)
			if s.json {
				printed = s.printJSON(map[string]string{"folder": c.Dir, "address": address})
			}
		},
	})
	if err == nil {
		err = printed
	}
	return err
}

// showAccess prints one line of a request.
func (s *streams) showAccess(a catalogue.Access) {
	s.notef("%s %s %q %d, %d bytes, %s\n", a.Remote, oneLine(a.Method), a.Path, a.Status, a.Bytes, a.Took.Round(10*time.Microsecond))
}
