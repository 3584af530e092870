package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// commandWord is one word of a command line, without the quotes around it.
type commandWord struct {
	text string
	node recipe.Node
	from int // the byte of the node's text where it starts
}

// place is where the bytes [from, to) of the word stand.
func (w commandWord) place(from, to int) recipe.Range { return w.node.Sub(w.from+from, w.from+to) }

// eachCommand calls use with the words of a service's command, entrypoint and
// health check, and with the key they stand at.
func eachCommand(service lint.Service, use func(key string, words []commandWord)) {
	for _, key := range []string{"command", "entrypoint", "healthcheck"} {
		n := service.Node.Get(key)
		if key == "healthcheck" {
			n = n.Get("test")
		}
		if words := commandWords(n); len(words) > 0 {
			use(key, words)
		}
	}
}

func commandWords(n recipe.Node) []commandWord {
	var words []commandWord
	if n.IsString() {
		return appendWords(words, n)
	}
	for _, item := range n.Items() {
		if item.IsScalar() {
			words = appendWords(words, item)
		}
	}
	return words
}

// appendWords cuts a text at blanks: an item of a list may be a whole script. A
// variable stays in one piece, whatever its default or its error text say.
func appendWords(words []commandWord, n recipe.Node) []commandWord {
	text := n.Text()
	for at := 0; at < len(text); {
		if isSpace(text[at]) {
			at++
			continue
		}
		from, depth := at, 0
		for ; at < len(text) && (depth > 0 || !isSpace(text[at])); at++ {
			switch {
			case strings.HasPrefix(text[at:], "${"):
				depth++
			case text[at] == '}' && depth > 0:
				depth--
			}
		}
		for from < at && (text[from] == '"' || text[from] == '\'') {
			from++
		}
		word := strings.TrimRight(text[from:at], `"'`)
		if word != "" {
			words = append(words, commandWord{word, n, from})
		}
	}
	return words
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// credentialOption is a credential on a command line: the option or variable that it
// belongs to, and the text that gives it.
type credentialOption struct {
	name  commandWord
	size  int // bytes of name that say what it is
	value string
}

// shown is the option or variable, for messages.
func (a credentialOption) shown() string { return a.name.text[:a.size] }

// place is where the option or variable stands.
func (a credentialOption) place() recipe.Range { return a.name.place(0, a.size) }

// credentialArguments finds --password x, --password=x, PGPASSWORD=x, and the
// short options of the clients that health checks call.
func credentialArguments(words []commandWord) []credentialOption {
	var found []credentialOption
	program := ""
	for i, w := range words {
		next := ""
		if i+1 < len(words) && !strings.HasPrefix(words[i+1].text, "-") {
			next = words[i+1].text
		}
		name, value, assigned := strings.Cut(w.text, "=")
		option := strings.TrimLeft(name, "-")
		switch dashes := len(name) - len(option); {
		case dashes == 0 && assigned && identifier(name) && secretName(name):
			found = append(found, credentialOption{w, len(name), value})
		case dashes > 0 && len(option) > 1 && plainOption(option) && secretName(option):
			if !assigned {
				value = next
			}
			found = append(found, credentialOption{w, len(name), value})
		case dashes == 1 && option != "" && option[0] == 'p' && len(option) > 1 && strings.HasPrefix(program, "m"):
			found = append(found, credentialOption{w, 2, w.text[2:]})
		case dashes == 1 && w.text == "-a" && strings.HasSuffix(program, "-cli"):
			found = append(found, credentialOption{w, 2, next})
		case dashes == 0 && clients[name[strings.LastIndexByte(name, '/')+1:]]:
			program = name[strings.LastIndexByte(name, '/')+1:]
		case strings.ContainsAny(w.text, "|;&"):
			program = ""
		}
	}
	return found
}

// clients are the programs whose -p or -a is a password.
var clients = map[string]bool{
	"mysql": true, "mysqladmin": true, "mysqldump": true, "mysqlcheck": true, "mariadb": true, "mariadb-admin": true, "mariadb-dump": true,
	"redis-cli": true, "valkey-cli": true, "keydb-cli": true,
}

// plainOption tells whether an option is spelt out, without variables in it.
func plainOption(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '.' && !identifier(s[i:i+1]) && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// written tells whether an argument's value is spelt out in the file, and not a
// variable, a file's content or a piece of a program.
func (a credentialOption) written() bool {
	reading := values{}.expand(a.value)
	return !reading.guessed() && !strings.ContainsAny(reading.text, "$`'\"()|&;<>\\") && credential("PASSWORD", reading.text)
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// login is an address with a password in it, as bytes of a text.
type login struct{ from, user, pass, to int }

// logins finds scheme://user:password@host.
func logins(text string) []login {
	var found []login
	for at := 0; ; {
		i := strings.Index(text[at:], "://")
		if i < 0 {
			return found
		}
		l := login{from: at + i, user: at + i + 3}
		at = l.user
		for l.from > 0 && schemeByte(text[l.from-1]) {
			l.from--
		}
		end := strings.IndexAny(text[at:], "/?# \t\n\"'`<>,;\\")
		if end < 0 {
			end = len(text) - at
		}
		authority := text[at : at+end]
		sign := strings.LastIndexByte(authority, '@')
		colon := strings.IndexByte(authority, ':')
		if colon >= 0 && sign > colon+1 && l.from < l.user-3 {
			l.pass, l.to = at+colon+1, at+sign
			found = append(found, l)
		}
	}
}

func schemeByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '-' || b == '.'
}
