package recipe

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// sampleScript has what real abra.sh files have, and what misleads a reader
// that goes by lines.
const sampleScript = `#!/bin/bash
# export OLD_VERSION=v1
export NGINX_CONF_VERSION=v6
export PHP_INI_VERSION="v3"   # bumped for #42
export A_VERSION=v1 B_VERSION='v2'
PLAIN=x

backup_app() {
  export HIDDEN=1
  for f in a b; do
    echo "}" '}' # }
  done
  {
    inner="${1:-}}"
  }
  cat <<EOF
}
export FROM_HEREDOC=1
EOF
}

function restore_db
{
  PASSWORD=$(cat /run/secrets/db_password)
  export PGPASSWORD="$PASSWORD"
}

run() ( export IN_SUBSHELL=1 )

export ENTRYPOINT_VERSION=v2; export DATE=$(date)
DEBUG=1 make x
if [ -n "$X" ]; then
  export MAYBE=v1
fi
export TEXT="two
lines"
`

func parseScript(s string) *Script { return ParseScript(NewText("abra.sh", []byte(s))) }

// describe writes a script's variables in short: ! for not exported, ? for dynamic.
func describe(s *Script) string {
	var all []string
	for _, e := range s.Exports {
		mark := ""
		if !e.Exported {
			mark += "!"
		}
		if e.Dynamic {
			mark += "?"
		}
		all = append(all, mark+e.Name+"="+e.Value)
	}
	return strings.Join(all, " | ")
}

func TestParseScriptReadsAFile(t *testing.T) {
	s := parseScript(sampleScript)
	wantProblems(t, s.Problems)
	want := "NGINX_CONF_VERSION=v6 | PHP_INI_VERSION=v3 | A_VERSION=v1 | B_VERSION=v2 | !PLAIN=x | " +
		"ENTRYPOINT_VERSION=v2 | ?DATE=$(date) | ?MAYBE=v1 | TEXT=two\nlines"
	if got := describe(s); got != want {
		t.Errorf("variables\n got %s\nwant %s", got, want)
	}
	var functions []string
	for _, f := range s.Functions {
		functions = append(functions, fmt.Sprintf("%s %d:%d-%d:%d", f.Name, f.Range.Start.Line, f.Range.Start.Column, f.Range.End.Line, f.Range.End.Column))
	}
	if want := []string{"backup_app 8:1-20:2", "restore_db 22:1-26:2", "run 28:1-28:31"}; !slices.Equal(functions, want) {
		t.Errorf("functions %q, want %q", functions, want)
	}
}

func TestScriptRanges(t *testing.T) {
	s := parseScript("export É=1\nexport X='ü' LONG_VERSION=\"v1 ü\" Y=3 'Z=4'\r\n")
	for _, c := range []struct{ name, value, whole, column string }{
		{"LONG_VERSION", `"v1 ü"`, `LONG_VERSION="v1 ü"`, "2:14"},
		{"Y", "3", "Y=3", "2:34"},
		{"Z", "4", "'Z=4'", "2:39"},
	} {
		e, ok := s.Get(c.name)
		if !ok {
			t.Errorf("%s is missing in %s", c.name, describe(s))
			continue
		}
		at := fmt.Sprintf("%d:%d", e.NameRange.Start.Line, e.NameRange.Start.Column)
		if s.Text.Slice(e.NameRange) != c.name || s.Text.Slice(e.ValueRange) != c.value || s.Text.Slice(e.Range) != c.whole || at != c.column {
			t.Errorf("%s: name %q, value %q, whole %q at %s", c.name, s.Text.Slice(e.NameRange), s.Text.Slice(e.ValueRange), s.Text.Slice(e.Range), at)
		}
	}
}

func TestScriptTopLevel(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"exported later", "X=1\nexport X", "X=1"},
		{"exported and gone", "export -n X=1; export -f f", ""},
		{"declare", "declare -x X=1; declare Y=2; readonly Z=3; typeset -rx W=4", "X=1 | !Y=2 | !Z=3 | W=4"},
		{"allexport", "set -a\nX=1\nset +a\nY=2", "X=1 | !Y=2"},
		{"quoted whole", `export "X=a b" 'Y=c'`, "X=a b | Y=c"},
		{"options end", "export -- X=1", "X=1"},
		{"append and array", "export X+=1; Y=(a b); Z[1]=c", "?X=1 | !?Y=(a b) | !?Z=c"},
		{"expansions", "export A=$B C=${D} E=`f` F=~/x G=$((1+1)) H=$'x' I=a$ J='$K' L=\\$M", "?A=$B | ?C=${D} | ?E=`f` | ?F=~/x | ?G=$((1+1)) | ?H=$'x' | I=a$ | J=$K | L=$M"},
		{"joined quotes", `export X=a"b c"'d'\ e`, "X=ab cd e"},
		{"escapes in quotes", `export X="a\"b\\c\$d\e"`, `X=a"b\c$d\e`},
		{"continuation", "export X=1 \\\n  Y=a\\\nb", "X=1 | Y=ab"},
		{"prefix of a command", "X=1 cmd\nX=1 export Y=2", ""},
		{"condition before", "a && export X=1 || export Y=2\nexport Z=3 && b", "?X=1 | ?Y=2 | Z=3"},
		{"condition over lines", "a &&\n\n  export X=1\nexport Y=2", "?X=1 | Y=2"},
		{"condition with group", "a && { export X=1; }\n{ export Y=2; }", "?X=1 | Y=2"},
		{"pipe", "a | export X=1\nexport Y=2 | b\nexport Z=3 &\nexport W=4", "W=4"},
		{"pipe into group", "a | { export X=1; }\nexport Y=2", "Y=2"},
		{"subshell", "(export X=1)\n( export Y=2\n)\nexport Z=3", "Z=3"},
		{"loop", "for x in export Y=1; do export X=1; done; while a; do export Y=2; done; export Z=3", "?X=1 | ?Y=2 | Z=3"},
		{"c loop", "for ((i=0; i<1<<2; i++)); do export X=1; done\nexport Y=2", "?X=1 | Y=2"},
		{"arithmetic", "((x = 1 << 2))\nexport Y=$((1 << (2)))\nexport Z=3", "?Y=$((1 << (2))) | Z=3"},
		{"case", "case $x in\n a|b) export X=1;;\n (c) export Y=2 ;;\n *) ;;\nesac\nexport Z=3", "?X=1 | ?Y=2 | Z=3"},
		{"case in a substitution", "x=$(case a in a) echo b;; esac)\nexport Z=3", "!?x=$(case a in a) echo b;; esac) | Z=3"},
		{"here-document", "cat <<EOF >f\nexport X=1\nEOF\nexport Z=3", "Z=3"},
		{"here-documents", "cat <<-'A B' <<\"C\"; export Y=2\nexport X=1\n\tA B\nexport W=1\nC\nexport Z=3", "Y=2 | Z=3"},
		{"here-document in a substitution", "X=$(cat <<E\n)\nE\n)\nexport Z=3", "!?X=$(cat <<E\n)\nE\n) | Z=3"},
		{"here-string", "read x <<<\"a\nexport X=1\"\nexport Z=3", "Z=3"},
		{"quotes over lines", "echo 'a\nexport X=1\n' \"b\nexport Y=1\n\"\nexport Z=3", "Z=3"},
		{"quote in an expansion", "x=\"${y:-it's}\"\nexport Z=3", "!?x=\"${y:-it's}\" | Z=3"},
		{"redirections", "export X=1 >/dev/null 2>&1\n>f export Y=2 &>g\nexport Z=3", "X=1 | Y=2 | Z=3"},
		{"comments", "export X=1#2 # Y=2\n#export W=1\nexport Z=3;# a", "X=1#2 | Z=3"},
		{"test command", "[[ $x =~ ^(a|b)$ && -n $y ]] && export X=1\nexport Z=3", "?X=1 | Z=3"},
		{"else", "if a; then b; else export X=1; fi; export Z=3", "?X=1 | Z=3"},
		{"CRLF", "export X=v1\r\nf() {\r\n  export Y=1\r\n}\r\nexport Z=3\r\n", "X=v1 | Z=3"},
		{"byte order mark", "\ufeffexport X=1", "X=1"},
		{"word like a keyword", "echo if { case\nexport Z=3", "Z=3"},
		{"process substitution", "diff <(export X=1) >(cat)\nexport Z=3", "Z=3"},
		{"function in a function", "f() { g() { export X=1; }; export Y=1; }\nexport Z=3", "Z=3"},
		{"function of a loop", "f() for x in a; do export X=1; done\nexport Z=3", "Z=3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parseScript(c.text)
			if got := describe(s); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			wantProblems(t, s.Problems)
		})
	}
}

// What is read as static must be what a shell makes of it.
func TestScriptAgreesWithAShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("no bash here to compare with")
	}
	for _, line := range []string{
		`export X="a\"b\\c\$d\e\` + "`" + `"`, `export X=a"b c"'d'\ e\"`, `export X='a\b"c'`, `export X=a\` + "\n" + `b`,
		`export X=1#2`, `export "X=a b"`, `X=1; export X`, `export X=1; export X=2`, `export X=a=b=c`, `set -a; X=y`,
		`export X=""`, `export X=`, `export X=a$`, `export X="a $ b"`, `export X=[a]*?`, `X={a,b}; export X`, "export X='a\nb'",
		`export X=a%b^c+d,e:f@g/h`, `declare -x X=1`, `export X="a'b"'c"d'`,
	} {
		out, err := exec.Command(bash, "-c", "unset X\n"+line+"\nenv -0 | grep -z ^X=").Output()
		if err != nil {
			t.Errorf("%s: bash: %v", line, err)
			continue
		}
		want := strings.TrimSuffix(strings.TrimPrefix(string(out), "X="), "\x00")
		e, ok := parseScript(line).Get("X")
		if !ok || e.Dynamic || !e.Exported || e.Value != want {
			t.Errorf("%s: read %+v, bash has %q", line, e, want)
		}
	}
}

func TestScriptProblems(t *testing.T) {
	for text, want := range map[string]string{
		"export X='a\nY=1":        `1:10: the quote "'" is not closed`,
		"export X=\"a":            `1:10: the quote "\"" is not closed`,
		"export X=`a":             "1:10: the quote \"`\" is not closed",
		"export X=${a":            `1:11: the bracket "{" is not closed`,
		"export X=$(a":            `1:10: the command substitution is not closed`,
		"f() {\n  a":              `1:5: "{" is not closed`,
		"if a; then b":            `1:1: "if" is not closed`,
		"a\n}\n":                  `2:1: "}" closes nothing`,
		"a )":                     `1:3: ")" closes nothing`,
		"cat <<EOF\na":            `1:5: the here-document has no closing line "EOF"`,
		"case x on\n a) b;; esac": `1:8: "on" stands where a case needs "in"`,
		"echo " + strings.Repeat("$(echo ", 1000):   `1:356: quotes and substitutions are nested deeper than 50; the rest is not read`,
		"echo \"" + strings.Repeat("${a:-", 100000): `1:253: quotes and substitutions are nested deeper than 50; the rest is not read`,
	} {
		s := parseScript(text)
		found := slices.ContainsFunc(s.Problems, func(p Problem) bool { return p.Error() == "abra.sh:"+want })
		if !found {
			t.Errorf("%.40q: problems %v, want %s", text, s.Problems, want)
		}
		if len(s.Problems) > maxScriptProblems {
			t.Errorf("%.40q: %d problems", text, len(s.Problems))
		}
	}
}

func TestScriptGetTakesTheLast(t *testing.T) {
	s := parseScript("export X=1\nexport X=2\n")
	if e, ok := s.Get("X"); !ok || e.Value != "2" {
		t.Errorf("got %+v", e)
	}
	if e, ok := s.Get("Y"); ok {
		t.Errorf("found %+v", e)
	}
}

func FuzzParseScript(f *testing.F) {
	f.Add([]byte(sampleScript))
	f.Add([]byte("\ufeffcase $(x <<-E\n\tE\n) in (a|b) declare -x \"Y=${z:-'}\";;& esac && f() ( ! g ) >&2 <(h)"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := ParseScript(NewText("abra.sh", data))
		for _, e := range s.Exports {
			if e.Name == "" || nameLen(e.Name) != len(e.Name) {
				t.Fatalf("name %q", e.Name)
			}
			if utf8.Valid(data) && s.Text.Slice(e.NameRange) != e.Name {
				t.Fatalf("the range of %s covers %q", e.Name, s.Text.Slice(e.NameRange))
			}
		}
		for _, fn := range s.Functions {
			a, b := fn.Range.Start, fn.Range.End
			if b.Line < a.Line || b.Line == a.Line && b.Column < a.Column+1 {
				t.Fatalf("function %s ends at %v before it starts at %v", fn.Name, b, a)
			}
		}
	})
}

func BenchmarkParseScriptOneLongLine(b *testing.B) {
	text := NewText("abra.sh", []byte(strings.Repeat("export A=1 ", 40000)))
	for b.Loop() {
		ParseScript(text)
	}
}
