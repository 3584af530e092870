package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/galley-coop/galley/deployer"
)

// rawTerminal hands the terminal to a program elsewhere: every key goes there,
// ctrl-C too, and it does the echo. sizes tells the terminal's size now and
// whenever it changes. restore must be called before anything else is printed.
func (s *streams) rawTerminal(ctx context.Context) (sizes <-chan deployer.TerminalSize, restore func(), err error) {
	terminal, ok := s.in.(*os.File)
	if !ok {
		return nil, nil, fmt.Errorf("standard input is no terminal")
	}
	fd := int(terminal.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan deployer.TerminalSize)
	changed, stop := sizeChanges()
	go func() {
		defer stop()
		for {
			if columns, rows, err := term.GetSize(fd); err == nil {
				select {
				case told <- deployer.TerminalSize{Rows: uint(rows), Columns: uint(columns)}:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return told, func() {
		cancel()
		_ = term.Restore(fd, before) // best effort: the process ends
	}, nil
}
