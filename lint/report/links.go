package report

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// home is where galley itself is found.
const home = "https://github.com/galley-coop/galley"

// DefaultDocs is the address of the folder with the rules' pages.
const DefaultDocs = home + "/blob/main/rules"

// page is the address of a rule's page.
func (o Options) page(id string) string {
	docs := o.Docs
	if docs == "" {
		docs = DefaultDocs
	}
	return strings.TrimSuffix(docs, "/") + "/" + url.PathEscape(id) + ".md"
}

// RootHere is the working folder's address for Options.Root, with the host's name
// in it: a terminal may run on another machine than galley. It is "" when the
// folder is not known.
func RootHere() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	slashed := filepath.ToSlash(dir)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive's letter
	}
	return (&url.URL{Scheme: "file", Host: host, Path: slashed}).String()
}

// fileLink is the address of a finding's file, "" without a root.
func (o Options) fileLink(file string) string {
	root, err := url.Parse(o.Root)
	if err != nil || o.Root == "" {
		return ""
	}
	if path.IsAbs(file) {
		root.Path = file
		return root.String()
	}
	root.Path = path.Join(root.Path, file)
	return root.String()
}

// linked makes shown a hyperlink for terminals that know them; others show it
// alone (the OSC 8 convention). Addresses are of url's making, so no byte of them
// ends the sequence early.
func linked(address, shown string) string {
	if address == "" {
		return shown
	}
	return "\x1b]8;;" + address + "\x1b\\" + shown + "\x1b]8;;\x1b\\"
}
