package recipe

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// sampleEnv has what real sample files have: prose, commented declarations,
// several of one name, a value over several lines, a line that is a mistake.
const sampleEnv = "TYPE-blog\n" +
	"RECIPE=blog:1.2.0+5.1.0\n" +
	"\n" +
	"DOMAIN=blog.example.org # the site's address\n" +
	"## Further domains = optional\n" +
	"#EXTRA_DOMAINS=', `www.blog.example.org`'\n" +
	"export LETS_ENCRYPT_ENV=production\n" +
	"# WARN, INFO etc.\n" +
	"LOG_LEVEL=\"WARN\"\n" +
	"\n" +
	"SECRET_DB_PASSWORD_VERSION=v1  # length=32 charset=hex\n" +
	"SECRET_API_KEY_VERSION=v2 # generate=false\n" +
	"# SECRET_SMTP_PASS_VERSION=v1 # length=20\n" +
	"\n" +
	"#PHP_EXTRA=\"\\\n" +
	"#\tset('A', true);\\\n" +
	"#\tset('B', '${DOMAIN}');\"\n" +
	"COMPOSE_FILE=\"compose.yml\"\n" +
	"COMPOSE_FILE=\"$COMPOSE_FILE:compose.smtp.yml\"\n" +
	"#COMPOSE_FILE=\"$COMPOSE_FILE:compose.ssb.yml\"\n"

func parseEnv(s string) *EnvFile { return ParseEnv(NewText(".env.sample", []byte(s))) }

func TestParseEnvReadsAFile(t *testing.T) {
	e := parseEnv(sampleEnv)
	var got []string
	for _, v := range e.Vars() {
		mark := ""
		if v.Commented {
			mark = "#"
		}
		got = append(got, fmt.Sprintf("%s%s=%s", mark, v.Name, v.Sample()))
	}
	want := []string{
		"RECIPE=blog:1.2.0+5.1.0", "DOMAIN=blog.example.org", "#EXTRA_DOMAINS=, `www.blog.example.org`",
		"LETS_ENCRYPT_ENV=production", "LOG_LEVEL=WARN",
		"SECRET_DB_PASSWORD_VERSION=v1", "SECRET_API_KEY_VERSION=v2", "#SECRET_SMTP_PASS_VERSION=v1",
		"#PHP_EXTRA=\tset('A', true);\tset('B', '${DOMAIN}');",
		"COMPOSE_FILE=compose.yml", "COMPOSE_FILE=$COMPOSE_FILE:compose.smtp.yml",
		"#COMPOSE_FILE=$COMPOSE_FILE:compose.ssb.yml",
	}
	if !slices.Equal(got, want) {
		t.Errorf("variables\n got %q\nwant %q", got, want)
	}
	wantProblems(t, e.Problems(), `.env.sample:1:1: "TYPE-blog" is no declaration; expected NAME=value or a comment`)
	if name, version := e.Recipe(); name != "blog" || version != "1.2.0+5.1.0" {
		t.Errorf("Recipe() = %q, %q", name, version)
	}
	if files := e.ComposeFiles(); !slices.Equal(files, []string{"compose.yml", "compose.smtp.yml"}) {
		t.Errorf("ComposeFiles() = %q", files)
	}
	if e.Declared("TYPE") || !e.Declared("PHP_EXTRA") || !e.Declared("DOMAIN") {
		t.Error("Declared is wrong for TYPE, PHP_EXTRA or DOMAIN")
	}
	if v, ok := e.Get("PHP_EXTRA"); ok {
		t.Errorf("Get of a commented declaration gave %+v", v)
	}
	if v := e.Vars()[2]; v.Value != "" {
		t.Errorf("a commented declaration has the value %q", v.Value)
	}
}

func wantProblems(t *testing.T, got []Problem, want ...string) {
	t.Helper()
	var messages []string
	for _, p := range got {
		messages = append(messages, p.Error())
	}
	if !slices.Equal(messages, want) {
		t.Errorf("problems\n got %q\nwant %q", messages, want)
	}
}

func TestEnvValues(t *testing.T) {
	for _, c := range []struct{ line, value, comment string }{
		{"A=", "", ""},
		{"A=b", "b", ""},
		{"A=b c", "b c", ""},
		{"A=b   ", "b", ""},
		{"A=b#c", "b#c", ""},
		{"A=#c", "#c", ""},
		{"A=b #c", "b", "c"},
		{"A= # c", "", "c"},
		{"A=b\t# c # d", "b", "c # d"},
		{"A=a=b", "a=b", ""},
		{"A=https://x.example/?q=1#top", "https://x.example/?q=1#top", ""},
		{`A=C:\dir\new`, `C:\dir\new`, ""},
		{`A=5\$`, "5$", ""},
		{`A=say "hi"`, `say "hi"`, ""},
		{`A=""`, "", ""},
		{`A="b # c" # d`, "b # c", "d"},
		{`A="a\"b\\c\$d\n\t\x"`, "a\"b\\c$d\n\t\\x", ""},
		{`A='a"b\n$C'`, `a"b\n$C`, ""},
		{"A='# no comment'", "# no comment", ""},
		{"A=\"one\ntwo\"", "one\ntwo", ""},
		{"A=\"one\r\ntwo\"", "one\ntwo", ""},
		{"A='one\r\ntwo' # c", "one\ntwo", "c"},
		{"A=\"one\\\ntwo\"", "onetwo", ""},
		{"A=\"one\\\r\ntwo\"", "onetwo", ""},
		{"\ufeffA=b", "b", ""},
		{"  export   A=b", "b", ""},
		{"A=naïve ☂", "naïve ☂", ""},
		{"A=$B${C:-d}", "$B${C:-d}", ""},
	} {
		e := parseEnv(c.line + "\n")
		v, ok := e.Get("A")
		if !ok || v.Value != c.value || v.Comment != c.comment || len(e.Problems()) > 0 {
			t.Errorf("%q: got %q, comment %q, problems %v; want %q, comment %q", c.line, v.Value, v.Comment, e.Problems(), c.value, c.comment)
		}
		if got := e.Text.Slice(v.ValueRange); got != v.Raw {
			t.Errorf("%q: ValueRange covers %q, Raw is %q", c.line, got, v.Raw)
		}
		if got := e.Text.Slice(v.NameRange); got != "A" {
			t.Errorf("%q: NameRange covers %q", c.line, got)
		}
	}
}

func TestEnvUnreadableLines(t *testing.T) {
	for _, c := range []struct {
		text, problem string
		vars          string
	}{
		{"A", `1:1: "A" is no declaration; expected NAME=value or a comment`, ""},
		{"A: b\nC=d", `1:1: "A: b" is no declaration; expected NAME=value or a comment`, "C"},
		{"export A", `1:1: "export A" is no declaration; expected NAME=value or a comment`, ""},
		{"1A=b", `1:1: "1A=b" is no declaration; expected NAME=value or a comment`, ""},
		{"A+=b", `1:1: "A+=b" is no declaration; expected NAME=value or a comment`, ""},
		{"A-B=c", `1:1: "A-B=c" is no declaration; expected NAME=value or a comment`, ""},
		{"=b", `1:1: "=b" is no declaration; expected NAME=value or a comment`, ""},
		{`A="b`, `1:3: A has no closing "`, ""},
		{"A='b\nC='d'", `1:3: A has no closing '`, "C"},
		{"A=\"b\nC=\"\"\nD=e", `1:3: A has no closing "`, "C D"},
		{"A=\"b\nC=\"d\"", `1:3: A has no closing "`, "C"},
		{`A="b"c`, `1:3: A has text behind its closing quote: "c"`, ""},
		{`A="b" c`, `1:3: A has text behind its closing quote: "c"`, ""},
		{"A = b", `1:1: blanks around the "=" of A: shells read this as a command; expected A=value`, "A"},
		{"A= b", `1:1: blanks around the "=" of A: shells read this as a command; expected A=value`, "A"},
		{"A=b\x00", "", "A"},
	} {
		e := parseEnv(c.text)
		var want []string
		if c.problem != "" {
			want = []string{".env.sample:" + c.problem}
		}
		wantProblems(t, e.Problems(), want...)
		var names []string
		for _, v := range e.Vars() {
			names = append(names, v.Name)
		}
		if got := strings.Join(names, " "); got != c.vars {
			t.Errorf("%q: variables %q, want %q", c.text, got, c.vars)
		}
	}
}

func TestEnvCommentedDeclarations(t *testing.T) {
	for text, want := range map[string]string{
		"# FOO=bar":                    "FOO bar 1",
		"#FOO=bar":                     "FOO bar 1",
		"#\tFOO=bar # why":             "FOO bar 1",
		"# export FOO=bar":             "FOO bar 1",
		"# FOO=":                       "FOO  1",
		"# FOO=\"bar":                  "FOO \"bar 1", // no closing quote: the rest of the line
		"# FOO='a' or 'b'":             "FOO 'a' or 'b' 1",
		"# FOO=\"a\n# b\"":             "FOO a\n b 2",
		"  # FOO=\"a\n  #b\"":          "FOO a\nb 2",
		"# FOO='tis\n# don't":          "FOO 'tis 1",
		"# FOO=\"a\nBAR=\"b\"":         "FOO \"a 1",
		"## FOO=bar":                   "",
		"# Foo = bar":                  "",
		"# see https://x.example/?a=b": "",
		"# 1=2":                        "",
		"#":                            "",
		"#=x":                          "",
	} {
		got := ""
		for _, v := range parseEnv(text).Vars() {
			if v.Commented {
				got = fmt.Sprintf("%s %s %d", v.Name, v.Sample(), v.Range.End.Line)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestEnvModifiersHavePlaces(t *testing.T) {
	e := parseEnv("A=1\nSECRET_X_VERSION=v1 # ü, length=32,generate=false and prose, url=a/b?c=d\n")
	v, _ := e.Get("SECRET_X_VERSION")
	var got []string
	for _, m := range v.Modifiers {
		got = append(got, fmt.Sprintf("%s=%s@%d:%d", m.Key, m.Value, m.Range.Start.Line, m.Range.Start.Column))
	}
	if want := []string{"length=32@2:26", "generate=false@2:36", "url=a/b?c=d@2:62"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvSecrets(t *testing.T) {
	e := parseEnv(sampleEnv)
	var got []string
	for _, s := range e.Secrets() {
		got = append(got, fmt.Sprintf("%s %s %d %v %q %v line %d", s.Key, s.Version, s.Length, s.Generate, s.Charset, s.Commented, s.Range.Start.Line))
	}
	want := []string{
		`DB_PASSWORD v1 32 true "hex" false line 11`,
		`API_KEY v2 0 false "" false line 12`,
		`SMTP_PASS v1 20 true "" true line 13`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvSecretsOfOneNameCountOnce(t *testing.T) {
	e := parseEnv("#SECRET_A_VERSION=v1\nSECRET_B_VERSION=v1\nSECRET_A_VERSION=v2\n#SECRET_A_VERSION=v3\nSECRET_VERSION=v9\n")
	var got []string
	for _, s := range e.Secrets() {
		got = append(got, s.Key+s.Version)
	}
	if want := []string{"Av2", "Bv1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvMalformedModifiers(t *testing.T) {
	for comment, want := range map[string]string{
		"length=long":    `length "long"; expected a number from 1 to 1024`,
		"length=0":       `length "0"; expected a number from 1 to 1024`,
		"length=":        `length ""; expected a number from 1 to 1024`,
		"length=9999999": `length "9999999"; expected a number from 1 to 1024`,
		"generate=no":    `generate "no"; expected true or false`,
		"charset=alnum":  `charset "alnum" is not known to clients; expected one of default, special, safespecial, hex`,
		"lenght=32":      `modifier "lenght" is not known; expected length, generate or charset`,
	} {
		e := parseEnv("SECRET_X_VERSION=v1 # " + comment)
		wantProblems(t, e.Problems(), ".env.sample:1:23: "+want)
		if s := e.Secrets()[0]; s.Length != 0 || s.Generate == strings.HasPrefix(comment, "generate") {
			t.Errorf("%s: got %+v", comment, s)
		}
		if e := parseEnv("OTHER=v1 # " + comment); len(e.Problems()) > 0 {
			t.Errorf("%s on a variable that is no secret: %v", comment, e.Problems())
		}
	}
}

func TestEnviron(t *testing.T) {
	base := MapLookup(map[string]string{"HOME": "/root", "EMPTY": ""})
	for _, c := range []struct{ text, want, problem string }{
		{"A=1\nB=$A", "1", ""},
		{"B=$HOME/x", "/root/x", ""},
		{"HOME=/srv\nB=${HOME}/x", "/srv/x", ""},
		{"A=1\nB='$A'", "$A", ""},
		{"A=1\nB=\\$A", "$A", ""},
		{"A=1\nB=\"\\$A \\\\$A\"", `$A \1`, ""},
		{"B=a\nB=\"$B:b\"\nB=\"$B:c\"", "a:b:c", ""},
		{"B=${X:-d}${X-d}${EMPTY-d}${EMPTY:-d}", "ddd", ""},
		{"B=${X:+d}${HOME:+d}${EMPTY+e}${EMPTY:+f}", "de", ""},
		{"A=1\nB=\"${X:-${Y:-$A}}\"", "1", ""},
		{"B=admin:$2y$05$", "admin:$2y$05$", ""},
		{"B=$$", "$$", ""},
		{"B=$(id)`id`", "$(id)`id`", ""},
		{"# A=1\nB=x$A", "x", `2:4: variable "A" is not set; expected it earlier in this file`},
		{"B=\"é $A\"\nA=1", "é ", `1:6: variable "A" is not set; expected it earlier in this file`},
		{"B=\"x\r\ny $A\"", "x\ny ", `2:3: variable "A" is not set; expected it earlier in this file`},
		{"B=${A:?why}", "", `1:3: required variable "A" has no value`},
		{"B=x${A", "x${A", `1:4: "${A" has no closing brace`},
		{"B=${A!}", "${A!}", `1:3: "${A!}" is no variable; expected ${NAME} or ${NAME:-default}`},
	} {
		e := parseEnv(c.text)
		env, problems := e.Environ(base)
		if c.problem == "" {
			wantProblems(t, problems)
		} else {
			wantProblems(t, problems, ".env.sample:"+c.problem)
		}
		if got := env["B"]; got != c.want {
			t.Errorf("%q: B is %q, want %q", c.text, got, c.want)
		}
		if _, err := e.EnvironStrict(base); (err != nil) != (c.problem != "") {
			t.Errorf("%q: EnvironStrict: %v", c.text, err)
		}
		if _, ok := env["HOME"]; ok && !strings.HasPrefix(c.text, "HOME") {
			t.Errorf("%q: the environment holds HOME, which is not the file's", c.text)
		}
	}
}

func TestEnvironStrictRefusesUnreadableLines(t *testing.T) {
	_, err := parseEnv("A=1\nB=\"2\n").EnvironStrict(nil)
	want := `reading .env.sample: .env.sample:2:3: B has no closing "`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEnvironIsBounded(t *testing.T) {
	var s strings.Builder
	s.WriteString("A0=" + strings.Repeat("x", 1000) + "\n")
	for i := range 200 {
		fmt.Fprintf(&s, "A%d=%s\n", i+1, strings.Repeat(fmt.Sprintf("$A%d", i), 10))
	}
	env, problems := parseEnv(s.String()).Environ(nil)
	total := 0
	for name, value := range env {
		if len(value) > maxEnvValue {
			t.Errorf("%s has %d bytes", name, len(value))
		}
		total += len(value)
	}
	if total > maxEnvTotal || len(problems) == 0 {
		t.Errorf("%d bytes and %d problems", total, len(problems))
	}
	deep := "A=" + strings.Repeat("${X:-", 100) + strings.Repeat("}", 100)
	if _, problems := parseEnv(deep).Environ(nil); len(problems) != 1 {
		t.Errorf("100 nested defaults gave %v", problems)
	}
}

func TestEnvComposeFiles(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                {"compose.yml"},
		"COMPOSE_FILE=":                   {"compose.yml"},
		"#COMPOSE_FILE=compose.yml:x.yml": {"compose.yml"},
		"COMPOSE_FILE=./compose.yml:db/compose.pg.yml":      {"compose.yml", "db/compose.pg.yml"},
		"COMPOSE_FILE=compose.yml::a.yml:":                  {"compose.yml", "a.yml"},
		"COMPOSE_FILE=compose.yml,a.yml;b.yml":              {"compose.yml,a.yml;b.yml"},
		"COMPOSE_FILE=\"$COMPOSE_FILE:a.yml\"":              {"compose.yml", "a.yml"},
		"X=pg\nCOMPOSE_FILE=compose.yml:compose.$X.yml":     {"compose.yml", "compose.pg.yml"},
		"COMPOSE_FILE=a.yml\nCOMPOSE_FILE=$COMPOSE_FILE:$Y": {"a.yml"},
		"COMPOSE_FILE=a.yml:a.yml":                          {"a.yml"},
		"COMPOSE_FILE=../x.yml":                             {"../x.yml"},
	} {
		if got := parseEnv(text).ComposeFiles(); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestEnvRecipe(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                              {},
		"TYPE=matomo":                   {"matomo", ""},
		"TYPE=matomo:1.2.0+5.1.0":       {"matomo", "1.2.0+5.1.0"},
		"TYPE=old\nRECIPE=new:1.0.0+1":  {"new", "1.0.0+1"},
		"TYPE=old\nRECIPE=":             {"old", ""},
		"TYPE=matomo:0a1b2c3d+U":        {"matomo", "0a1b2c3d+U"},
		"#TYPE=matomo\nexport TYPE='x'": {"x", ""},
	} {
		name, version := parseEnv(text).Recipe()
		if name != want[0] || version != want[1] {
			t.Errorf("%q: got %q, %q; want %q", text, name, version, want)
		}
	}
}

func FuzzParseEnv(f *testing.F) {
	f.Add([]byte(sampleEnv))
	f.Add([]byte("\ufeffA=\"b\r\n# C='d\r\n#e' # length=3\r\nD=${E:-\\$}\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := ParseEnv(NewText("x", bytes.Clone(data)))
		if !bytes.Equal(e.Bytes(), data) {
			t.Fatal("parsing changed the bytes")
		}
		for _, v := range e.Vars() {
			if nameLen(v.Name) != len(v.Name) || v.Name == "" {
				t.Fatalf("name %q", v.Name)
			}
			if utf8.Valid(data) && (e.Text.Slice(v.NameRange) != v.Name || e.Text.Slice(v.ValueRange) != v.Raw) {
				t.Fatalf("%s: ranges cover %q and %q, Raw is %q", v.Name, e.Text.Slice(v.NameRange), e.Text.Slice(v.ValueRange), v.Raw)
			}
			_ = v.Sample()
		}
		env, _ := e.Environ(func(name string) (string, bool) { return "x", len(name)%2 == 0 })
		for _, name := range slices.Collect(maps.Keys(env)) {
			if _, ok := e.Get(name); !ok {
				t.Fatalf("%s has a value and no declaration", name)
			}
		}
		e.Secrets()
		e.ComposeFiles()
	})
}
