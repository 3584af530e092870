package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

const elsewhere = `
## What others check

The tables go by subject, in galley's words. A dash means that galley has no such rule, and says why. Where a compose file
alone shows the trouble, galley's tests have one, and one of the row's rules finds it.
`

// table is what one tool, or several of a kind, look for.
type table struct {
	title, text string
	columns     [2]string
	rows        []row
}

// row is one subject.
type row struct {
	what  string // the other tool's name for it, or the subject
	also  string // who checks it, or the subject
	rules string // galley's ids, separated by blanks; "" for none
	note  string
	// try is what stands below services.app, beside its image, in a compose file
	// that one of the rules finds; file is a whole one instead.
	try  string
	file string
}

func (r row) ids() []string { return strings.Fields(r.rules) }

func (t table) write(w io.Writer, all []lint.Rule) {
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n| %s | %s | galley | |\n|---|---|---|---|\n", t.title, t.text, t.columns[0], t.columns[1])
	for _, r := range t.rows {
		found := r.links(all)
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", r.what, r.also, found, r.note)
	}
}

// links are the row's rules; of a family, such as D5xx, those that there are.
func (r row) links(all []lint.Rule) string {
	var links []string
	for _, id := range r.ids() {
		prefix, isFamily := strings.CutSuffix(id, "xx")
		switch {
		case !isFamily:
			links = append(links, link(id))
		case slices.ContainsFunc(all, func(r lint.Rule) bool { return strings.HasPrefix(r.ID, prefix) }):
			links = append(links, id)
		}
	}
	if len(links) == 0 {
		return "–"
	}
	return strings.Join(links, " ")
}

var tables = []table{known, dclint, yamllint, scanners}

// known are the sixteen, and what galley says of the same subject beside them.
var known = table{
	title: "The sixteen known rules", columns: [2]string{"Rule", "Subject"},
	text: "Each keeps its id; the rules beside it say more about the same subject.",
	rows: []row{
		{what: "R001", also: "compose version", rules: "R001"},
		{what: "R002", also: "health checks", rules: "R002 R144 S223 S224 S225 S238"},
		{what: "R003", also: "images have a tag", rules: "R003 I405"},
		{what: "R004", also: "unstable tags", rules: "R004 I401 I414"},
		{what: "R005", also: "tags are versions", rules: "R005 I413"},
		{what: "R006", also: "published in the catalogue", rules: "R006 R108 R109 R110"},
		{what: "R007", also: "metadata in the README", rules: "R007 R143 R144 R145 R146 R147"},
		{what: "R008", also: ".env.sample", rules: "R008 R122 R126 R127 R129 R130 R153"},
		{what: "R009", also: "a service called app", rules: "R009"},
		{what: "R010", also: "routed by traefik", rules: "R010 R128 S210 S211 S212 S213 S214 S215 S216 S217 S218"},
		{what: "R011", also: "services have an image", rules: "R011 I410"},
		{what: "R012", also: "versions of configs", rules: "R012 R114 R115 R116 R132 R133 R134 R141 R142"},
		{what: "R013", also: "the upstream answers", rules: "R013"},
		{what: "R014", also: "annotated tags", rules: "R014 R111 R112 R113"},
		{what: "R015", also: "length of secret names", rules: "R015 R120 R121 R140"},
		{what: "R016", also: "deploy labels", rules: "R016 R101 R102 R103 R104 R105 R119"},
	},
}

var dclint = table{
	title: "dclint", columns: [2]string{"Rule", "Subject"},
	text: "The compose linter for `docker compose` projects. What it asks for on a single host is sometimes wrong on a swarm.",
	rows: []row{
		{what: "no-build-and-image", also: "`build` beside `image`", rules: "S203 R011", note: "a swarm builds nothing", try: "build: ."},
		{what: "no-duplicate-container-names", also: "`container_name` twice", rules: "S203", note: "a swarm drops the key", try: "container_name: abc"},
		{what: "no-duplicate-exported-ports", also: "a port published twice", rules: "S242 S268", try: `ports: ["80:80", "80:81"]`},
		{what: "no-quotes-in-volumes", also: "quotes around short volumes", rules: "D5xx", note: "style; they change nothing"},
		{what: "no-unbound-port-interfaces", also: "ports without an address", rules: "C327 C328 C329", note: "a swarm drops the address, so that writing one is what is wrong", try: `ports: ["127.0.0.1:5432:5432"]`},
		{what: "no-version-field", also: "the key `version`", rules: "R001", note: "the other way round: stacks are read by the version they name",
			file: "version: \"3.3\"\nservices:\n  app:\n    image: nginx:1.27.0\n"},
		{what: "require-project-name-field", also: "the key `name`", note: "not applicable on swarm: a stack is named when it is deployed"},
		{what: "require-quotes-in-ports", also: "ports without quotes", rules: "S245", note: "those that YAML 1.1 reads in base 60", try: "ports: [22:22]"},
		{what: "service-container-name-regex", also: "form of `container_name`", rules: "S202 S203", note: "a swarm drops the key", try: "container_name: a b"},
		{what: "service-dependencies-alphabetical-order", also: "order of `depends_on`", rules: "D5xx", note: "style"},
		{what: "service-image-require-explicit-tag", also: "images without a tag, or latest", rules: "R003 R004",
			file: "services:\n  app:\n    image: nginx\n"},
		{what: "service-keys-order", also: "order of a service's keys", rules: "D502", note: "style"},
		{what: "service-ports-alphabetical-order", also: "order of ports", rules: "D505", note: "style"},
		{what: "services-alphabetical-order", also: "order of services", rules: "D503", note: "style"},
		{what: "top-level-properties-order", also: "order of top-level keys", rules: "D501", note: "style"},
	},
}

var yamllint = table{
	title: "yamllint", columns: [2]string{"Rule", "Subject"},
	text: "Where the layout of YAML changes what is meant; its rules about blanks and line lengths have no counterpart.",
	rows: []row{
		{what: "key-duplicates", also: "a key twice in a mapping", rules: "S201", try: "image: b:1"},
		{what: "truthy", also: "`yes`, `on` and others without quotes", rules: "S247", try: "environment: {A: yes}"},
		{what: "octal-values", also: "numbers that start with 0", rules: "S246 S248", try: "environment: {A: 010}"},
		{what: "float-values", also: "numbers with a point or an exponent", rules: "S246", try: "environment: {A: 1.10}"},
		{what: "anchors", also: "anchors that nothing uses", rules: "S201 S279", note: "aliases of none are S201", try: "environment: &unused {A: a}"},
	},
}
