//go:build linux

// Command baremachines starts bare machines for .ci/bare, and a registry for their
// images, and ends them when its input ends.
//
//	baremachines -dir DIR -cache DIR [-plain NAME,…] NAME…
//	baremachines -push HOST:PORT/PATH:TAG ROOTFS.tar
//
// Once all is up it writes DIR/site, a file for a shell to read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/galley-coop/galley/internal/bare"
	"github.com/galley-coop/galley/internal/localregistry"
)

func main() {
	dir := flag.String("dir", "", "where the site's files go")
	cache := flag.String("cache", "build/bare", "where roots are kept")
	without := flag.String("plain", "", "the machines on which no systemd runs, separated by commas")
	push := flag.String("push", "", "push a root file system as an image of that name, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var err error
	if *push != "" {
		err = pushImage(ctx, *push, flag.Arg(0))
	} else {
		err = serve(ctx, bare.Options{Dir: *dir, Cache: *cache, Machines: flag.Args(), Plain: strings.Split(*without, ",")})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "baremachines:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, o bare.Options) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started this holds the other end
		cancel()
	}()
	site, err := bare.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	images, err := localregistry.Start(localregistry.WithAddr(netip.AddrPortFrom(site.Host(), 0).String()))
	if err != nil {
		return err
	}
	defer images.Close()
	if err := describe(site, images, o.Dir); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func describe(site *bare.Site, images *localregistry.Registry, dir string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "BIN=%s\nREGISTRY=%s\n", site.Bin(), images.Addr)
	for _, m := range site.Machines {
		fmt.Fprintf(&text, "ADDR_%s=%s\nKEY_%s=%s\n", m.Name, m.Addr, m.Name, m.HostKey)
	}
	temp := filepath.Join(dir, "site.new")
	if err := os.WriteFile(temp, []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, "site"))
}
