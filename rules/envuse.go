package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

const (
	stackName     = "STACK_NAME"
	secretPrefix  = "SECRET_"
	versionSuffix = "_VERSION"
)

// use is one place where a compose file takes a variable.
type use struct {
	variable recipe.Variable
	node     recipe.Node
	document *recipe.Document
	section  string // "services", "configs", …
	naming   bool   // it stands in the name of a config, secret, network or volume
	passed   bool   // an environment entry without a value: "- NAME"
}

// place is where the variable stands.
func (u use) place() recipe.Range {
	switch {
	case !u.passed:
		return u.node.Sub(u.variable.Start, u.variable.End)
	case u.node.Key() != "":
		return u.node.KeyRange()
	}
	return u.node.Range()
}

// uses lists what the compose files take of the environment, in the order of
// the text. What stands below an anchor is listed wherever the anchor is used.
func uses(r *recipe.Recipe) []use {
	var found []use
	for _, d := range r.Documents() {
		for section, node := range d.Lookup().Pairs() {
			if strings.HasPrefix(section, "x-") {
				continue // counts where it is used
			}
			node.Scalars(func(path []string, n recipe.Node) {
				found = appendUses(found, d, section, path, n)
			})
		}
	}
	return found
}

func appendUses(found []use, d *recipe.Document, section string, path []string, n recipe.Node) []use {
	u := use{node: n, document: d, section: section, naming: section != "services" && last(path) == "name"}
	if name := passedOn(section, path, n); name != "" {
		u.variable, u.passed = recipe.Variable{Name: name}, true
		return append(found, u)
	}
	if !strings.Contains(n.Text(), "$") {
		return found
	}
	for _, v := range recipe.Variables(n.Text()) {
		u.variable = v
		found = append(found, u)
	}
	return found
}

// passedOn is the name of a variable that an environment entry without a value
// hands to a service: an item "- NAME", or a key with nothing behind it.
func passedOn(section string, path []string, n recipe.Node) string {
	switch {
	case section != "services" || len(path) != 3 || path[1] != "environment":
	case n.Key() == "" && isVariableName(n.Text()):
		return n.Text()
	case n.Key() != "" && n.IsNull():
		return n.Key()
	}
	return ""
}

func isVariableName(s string) bool {
	for i := range len(s) {
		if !wordByte(s[i]) || i == 0 && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// countWord counts where name stands in text as a whole word.
func countWord(text, name string) int {
	count := 0
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 || name == "" {
			return count
		}
		from, to := at+i, at+i+len(name)
		if (from == 0 || !wordByte(text[from-1])) && (to == len(text) || !wordByte(text[to])) {
			count++
		}
		at = to
	}
}

// isSecretVersion tells SECRET_<NAME>_VERSION.
func isSecretVersion(name string) bool {
	return len(name) > len(secretPrefix)+len(versionSuffix) && strings.HasPrefix(name, secretPrefix) && strings.HasSuffix(name, versionSuffix)
}

// configVersion tells the use of a version in a config's name, which R012
// looks after.
func (u use) configVersion() bool {
	return u.section == "configs" && u.naming && strings.HasSuffix(u.variable.Name, versionSuffix)
}

// whole tells whether every compose file was read: a rule that says "nowhere"
// must have looked everywhere.
func whole(r *recipe.Recipe) bool {
	return parsed(r) && len(r.Problems) == 0 && !slices.ContainsFunc(r.Documents(), func(d *recipe.Document) bool { return len(d.Errors) > 0 })
}

// mentions is where the recipe can take variables from the environment, beside
// abra.sh: the compose files' values without their comments, and the files that
// configs and secrets are made of. Those are read when they are first needed.
type mentions struct {
	recipe  *recipe.Recipe
	compose string
	files   string
	read    bool
}

func mentioned(r *recipe.Recipe) *mentions {
	var out strings.Builder
	for _, d := range r.Documents() {
		d.Root().Scalars(func(_ []string, n recipe.Node) {
			out.WriteString(n.Text())
			out.WriteByte('\n')
			if n.IsNull() && n.Key() != "" {
				out.WriteString(n.Key())
				out.WriteByte('\n')
			}
		})
	}
	return &mentions{recipe: r, compose: out.String()}
}

// has tells whether something takes a variable.
func (m *mentions) has(name string) bool {
	if countWord(m.compose, name) > 0 {
		return true
	}
	if !m.read {
		m.read = true
		var out strings.Builder
		for _, f := range objectFiles(m.recipe) {
			out.Write(f.read(m.recipe))
			out.WriteByte('\n')
		}
		m.files = out.String()
	}
	return countWord(m.files, name) > 0
}

// objectFile is the file that a config or secret is made of.
type objectFile struct {
	kind   string // "config" or "secret"
	key    string
	path   string // within the recipe
	object recipe.Node
}

// objectFiles lists the configs and secrets that are made of a file of the
// recipe, once for each compose file that says so.
func objectFiles(r *recipe.Recipe) []objectFile {
	var found []objectFile
	for _, d := range r.Documents() {
		for _, kind := range []string{"config", "secret"} {
			for key, object := range d.Lookup(kind + "s").Pairs() {
				name := object.Get("file").Text()
				if path, ok := recipe.RelativePath(name); ok && name != "" && !strings.Contains(name, "$") {
					found = append(found, objectFile{kind, key, path, object})
				}
			}
		}
	}
	return found
}

// read gives the file's bytes, none when it is not there: S2xx says so.
func (f objectFile) read(r *recipe.Recipe) []byte {
	data, err := r.ReadFile(f.path)
	if err != nil {
		return nil
	}
	return data
}

// declaredAt points at the first declaration of a variable in the sample.
func declaredAt(r *recipe.Recipe, name string) []lint.Option {
	if r.Sample == nil {
		return nil
	}
	for _, v := range r.Sample.Vars() {
		if v.Name == name {
			return []lint.Option{lint.WithRelated(v.NameRange, "declared here")}
		}
	}
	return nil
}
