package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/deployer"
)

type appVolumeCmd struct {
	Ls       volumeLsCmd   `cmd:"" help:"List an app's volumes, on which node they are and who uses them."`
	DropKept volumeDropCmd `cmd:"" help:"Remove the copies that restores have made of volumes."`
}

type volumeLsCmd struct {
	oneApp `embed:""`
	Size   bool `help:"Have the engine add up the volumes' sizes, which can take long."`
}

func (volumeLsCmd) Help() string {
	return `Examples:
  galley app volume ls cloud.example.org
  galley app volume ls cloud.example.org --size --output json

Each node has volumes of its own. All are asked that servers/<server>/nodes leads to;
of others it is told from their tasks that there should be one.`
}

// Run lists the volumes.
func (c *volumeLsCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	volumes, err := engine.Volumes(ctx, app.Stack, c.Size)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"volumes": volumes})
	}
	if len(volumes) == 0 {
		s.printf("%s has no volumes\n", app.Domain)
		return nil
	}
	var rows [][]string
	for _, v := range volumes {
		row := []string{v.Name, v.Driver, v.Node, strings.Join(v.UsedBy, " "), volumeNote(v)}
		if c.Size {
			row = append(row, sizeText(v.Size))
		}
		rows = append(rows, row)
	}
	header := []string{"VOLUME", "DRIVER", "NODE", "USED BY", "NOTE"}
	if c.Size {
		header = append(header, "SIZE")
	}
	return s.table(header, rows)
}

func volumeNote(v deployer.VolumeState) string {
	switch {
	case !v.Observed:
		return "not asked"
	case v.KeptOf != "":
		return "kept from before a restore"
	case v.External:
		return "external"
	case len(v.UsedBy) == 0:
		return "unused"
	}
	return ""
}

// sizeText is a size in decimal units, as disks have them.
func sizeText(bytes int64) string {
	if bytes < 0 {
		return "?"
	}
	size, unit := float64(bytes), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, unit = size/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
