package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// passphraseVariable names a file, as --passphrase-file does. There is no
// variable for a passphrase itself: environments are shown by too many tools.
const passphraseVariable = "GALLEY_PASSPHRASE_FILE"

// passphraseFlags say where passphrases of key files come from: a file, a file
// descriptor, or else a prompt on the terminal. Never the command line.
type passphraseFlags struct {
	File string `name:"passphrase-file" xor:"passphrase" help:"File with the passphrase of the keys, mode 0600 (default: the one that ${passphrase_variable} names; without either, it is asked for on a terminal)." placeholder:"FILE"`
	FD   *int   `name:"passphrase-fd" xor:"passphrase" help:"Open file descriptor to read the passphrase from: its first line." placeholder:"N"`
}

// maxPassphrase bounds a passphrase, in bytes.
const maxPassphrase = 1024

// known reads the passphrase from a file or a descriptor, once; ok is false when
// neither is given.
func (f *passphraseFlags) known() (read func() ([]byte, error), ok bool) {
	name := f.File
	if name == "" {
		name = os.Getenv(passphraseVariable)
	}
	switch {
	case f.FD != nil:
		return once(func() ([]byte, error) { return passphraseOfFD(*f.FD) }), true
	case name != "":
		return once(func() ([]byte, error) { return passphraseOfFile(name) }), true
	}
	return nil, false
}

// once keeps what was read: a descriptor can be read one time. Each caller gets a
// copy, to clear.
func once(read func() ([]byte, error)) func() ([]byte, error) {
	var kept []byte
	return func() (_ []byte, err error) {
		if kept == nil {
			if kept, err = read(); err != nil {
				return nil, err
			}
		}
		return bytes.Clone(kept), nil
	}
}

// unlock asks for the passphrases of keys that exist.
func (f *passphraseFlags) unlock(s *streams, noInput bool) trust.Passphrase {
	if read, ok := f.known(); ok {
		return func(string) ([]byte, error) { return read() }
	}
	return func(file string) ([]byte, error) {
		if !s.ask || noInput {
			err := fault.New(fault.Usage, "key %q has a passphrase, and there is no terminal to ask for it on", file)
			return nil, fault.Hint(err, "give --passphrase-file or --passphrase-fd")
		}
		return s.secret(fmt.Sprintf("passphrase of %s: ", oneLine(file)))
	}
}

// choose gives the passphrase of a key that is made.
func (f *passphraseFlags) choose(s *streams, noInput bool) trust.Passphrase {
	if read, ok := f.known(); ok {
		return func(string) ([]byte, error) { return read() }
	}
	return func(what string) ([]byte, error) {
		if !s.ask || noInput {
			err := fault.New(fault.Usage, "%s needs a passphrase, and there is no terminal to ask for it on", what)
			return nil, fault.Hint(err, "give --passphrase-file or --passphrase-fd, or --no-passphrase for a key without one")
		}
		first, err := s.secret(fmt.Sprintf("passphrase for %s: ", what))
		if err != nil {
			return nil, err
		}
		again, err := s.secret("the same again: ")
		if err != nil {
			return nil, err
		}
		defer clear(again)
		if !bytes.Equal(first, again) {
			return nil, fault.New(fault.Usage, "the two passphrases are not the same; nothing was made")
		}
		return first, nil
	}
}

// secret reads a line from the terminal without showing it.
func (s *streams) secret(prompt string) ([]byte, error) {
	f, ok := s.in.(*os.File)
	if !ok {
		return nil, errors.New("standard input is no terminal")
	}
	fmt.Fprint(s.err, prompt)
	line, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(s.err)
	if err != nil {
		return nil, fault.New(fault.Interrupted, "no passphrase; nothing was changed")
	}
	return notEmpty(line, "the passphrase")
}

func notEmpty(passphrase []byte, what string) ([]byte, error) {
	switch {
	case len(passphrase) == 0:
		return nil, fault.New(fault.Usage, "%s is empty", what)
	case len(passphrase) > maxPassphrase:
		return nil, fault.New(fault.Usage, "%s has more than %d bytes", what, maxPassphrase)
	}
	return passphrase, nil
}

func passphraseOfFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	if mode := info.Mode().Perm(); info.Mode().IsRegular() && mode&0o077 != 0 {
		err := fault.New(fault.Refused, "reading the passphrase from %q: others may read it (mode %04o)", name, mode)
		return nil, fault.Hint(err, "chmod 600 %s, and change the passphrase if others had access", name)
	}
	return firstLine(f, fmt.Sprintf("the passphrase in %q", name))
}

func passphraseOfFD(fd int) ([]byte, error) {
	f := os.NewFile(uintptr(fd), "")
	if fd < 0 || f == nil {
		return nil, fault.New(fault.Usage, "%d is no file descriptor", fd)
	}
	defer f.Close()
	return firstLine(f, fmt.Sprintf("the passphrase on descriptor %d", fd))
}

// firstLine reads up to a line's end, and no byte of what follows: a descriptor
// may have more for others.
func firstLine(r io.Reader, what string) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= maxPassphrase {
		_, err := io.ReadFull(r, one)
		if errors.Is(err, io.EOF) || err == nil && one[0] == '\n' {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", what, plain(err))
		}
		line = append(line, one[0])
	}
	return notEmpty(bytes.TrimSuffix(line, []byte("\r")), what)
}

// plain drops what an error of a descriptor without a name repeats.
func plain(err error) error {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
