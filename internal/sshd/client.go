package sshd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Client is an operator's ssh: the real one, with a configuration, a key and a
// known_hosts file of its own. OpenSSH takes ~ from the user database and not from
// HOME, so Bin holds an "ssh" that adds the configuration: put it first in PATH.
type Client struct {
	// Bin is the directory with that ssh.
	Bin string
	// Config, Key and KnownHosts are its files. KnownHosts does not exist at first.
	Config, Key, KnownHosts string
}

// NewClient makes a client in dir whose key the servers let in. Its configuration has
// a host "galley-0" for the first server, "galley-1" for the second, and so on; by
// their addresses they are reached as well.
func NewClient(ctx context.Context, dir string, servers ...*Server) (*Client, error) {
	c := &Client{
		Bin:    filepath.Join(dir, "bin"),
		Config: filepath.Join(dir, "ssh_config"), Key: filepath.Join(dir, "id_ed25519"), KnownHosts: filepath.Join(dir, "known_hosts"),
	}
	if err := os.MkdirAll(c.Bin, 0o700); err != nil {
		return nil, err
	}
	if err := makeKey(ctx, "ed25519", c.Key); err != nil {
		return nil, err
	}
	config := ""
	for i, s := range servers {
		if err := s.letIn(c.Key + ".pub"); err != nil {
			return nil, err
		}
		config += fmt.Sprintf("Host galley-%d\n\tHostName 127.0.0.1\n\tPort %d\n\tUser root\n", i, s.Port)
	}
	config += fmt.Sprintf("Host *\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile /dev/null\n",
		c.Key, c.KnownHosts)
	if err := os.WriteFile(c.Config, []byte(config), 0o600); err != nil {
		return nil, err
	}
	ssh := findTool("ssh")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", ssh, c.Config)
	return c, os.WriteFile(filepath.Join(c.Bin, "ssh"), []byte(script), 0o755)
}

// Path is the value of PATH with the client's ssh first.
func (c *Client) Path() string {
	return c.Bin + string(filepath.ListSeparator) + os.Getenv("PATH")
}

// Trust writes the servers' preferred host keys into the client's known_hosts.
func (c *Client) Trust(servers ...*Server) error {
	text := ""
	for _, s := range servers {
		line, err := s.KnownHosts()
		if err != nil {
			return err
		}
		text += line
	}
	return os.WriteFile(c.KnownHosts, []byte(text), 0o600)
}

// LetIn has a server take a client's key.
func (s *Server) LetIn(c *Client) error { return s.letIn(c.Key + ".pub") }

// letIn appends a public key to those that may log in.
func (s *Server) letIn(public string) error {
	key, err := os.ReadFile(public)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.authorized(), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(key)
	return err
}
