package recipe

import (
	"strings"
	"testing"
)

func TestEnvSet(t *testing.T) {
	for _, c := range []struct{ name, text, value, want string }{
		{"unquoted", "A=1\nB=2\n", "x", "A=1\nB=x\n"},
		{"needs quotes", "B=2 # why\n", "x y", "B='x y' # why\n"},
		{"keeps single quotes", "B='2'\n", "x", "B='x'\n"},
		{"keeps double quotes", "export B=\"2\"\n", "x", "export B=\"x\"\n"},
		{"single quotes cannot hold it", "B='2'\n", "it's", "B=\"it's\"\n"},
		{"a dollar is literal", "B=\"2\"\n", "$A", "B=\"\\$A\"\n"},
		{"empty", "B=2 # why\n", "", "B= # why\n"},
		{"from empty", "B= # why\n", "x", "B=x # why\n"},
		{"the last one wins", "B=1\nB=2\n#B=3\n", "x", "B=1\nB=x\n#B=3\n"},
		{"behind the comment", "# B=1\nC=3\n", "x", "# B=1\nB=x\nC=3\n"},
		{"behind a comment of several lines", "#B=\"1\\\n#2\"\nC=3\n", "x", "#B=\"1\\\n#2\"\nB=x\nC=3\n"},
		{"behind the last comment", "# B=1\n# B=2", "x", "# B=1\n# B=2\nB=x"},
		{"appended", "A=1\n", "x", "A=1\nB=x\n"},
		{"appended without a line end", "A=1", "x", "A=1\nB=x"},
		{"appended to nothing", "", "x", "B=x\n"},
		{"appended to a mark", "\ufeff", "x", "\ufeffB=x\n"},
		{"CRLF", "# hm\r\nA=1\r\n", "x", "# hm\r\nA=1\r\nB=x\r\n"},
		{"half a line end", "A=1\r", "x", "A=1\r\nB=x"},
		{"half a line end of CRLF", "\r\n\r", "x", "\r\n\r\nB=x"},
		{"CRLF in place", "B=1\r\nC=2\r\n", "x", "B=x\r\nC=2\r\n"},
		{"several lines", "B=\"1\n2\" # c\nC=3\n", "x", "B=\"x\" # c\nC=3\n"},
		{"unknown lines", "what?\nB=1\n  odd = line\n", "x", "what?\nB=x\n  odd = line\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parseEnv(c.text)
			if err := e.Set("B", c.value); err != nil {
				t.Fatal(err)
			}
			if got := string(e.Bytes()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEnvSetRefuses(t *testing.T) {
	for _, c := range []struct{ text, name, value, want string }{
		{"", "B", "a\nb", "setting B: the value has a line end or a NUL; expected one line"},
		{"", "B", "a\x00", "setting B: the value has a line end or a NUL; expected one line"},
		{"", "", "a", `setting "": no variable name; expected letters, digits and _`},
		{"", "A-B", "a", `setting "A-B": no variable name; expected letters, digits and _`},
		{"A='x\n", "B", "' #", "setting B in .env.sample: an earlier line lacks a closing quote and would take this one in"},
	} {
		e := parseEnv(c.text)
		err := e.Set(c.name, c.value)
		if err == nil || err.Error() != c.want {
			t.Errorf("Set(%q, %q): got %v, want %s", c.name, c.value, err, c.want)
		}
		if string(e.Bytes()) != c.text {
			t.Errorf("Set(%q, %q) failed and left %q", c.name, c.value, e.Bytes())
		}
	}
}

func TestEnvSetIsSilentAboutTheValue(t *testing.T) {
	err := parseEnv("").Set("PASSWORD", "hunter2\n")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells the value: %v", err)
	}
}

func TestEnvUnset(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB=2 # c\nC=3\n":       "A=1\n# B=2 # c\nC=3\n",
		"B=1\nB=2":                  "# B=1\n# B=2",
		"  export B='x'\r\nC=1\r\n": "  # export B='x'\r\nC=1\r\n",
		"B=\"1\n2\"\nC=3\n":         "# B=\"1\n#2\"\nC=3\n",
		"B=\"1\r\n2\"\r\n":          "# B=\"1\r\n#2\"\r\n",
		"\ufeffB=1\n":               "\ufeff# B=1\n",
		"#B=1\n":                    "#B=1\n",
		"":                          "",
	} {
		e := parseEnv(text)
		if err := e.Unset("B"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := string(e.Bytes()); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if _, ok := e.Get("B"); ok {
			t.Errorf("%q: B is still there", text)
		}
	}
}

func TestEnvSetRecipe(t *testing.T) {
	for text, want := range map[string]string{
		"TYPE=matomo # app\nA=1\n":        "TYPE=matomo:1.2.0+5.1.0 # app\nA=1\n",
		"RECIPE=\"matomo:1.0.0+5.0.0\"\n": "RECIPE=\"matomo:1.2.0+5.1.0\"\n",
		"TYPE=matomo\nRECIPE=matomo\n":    "TYPE=matomo:1.2.0+5.1.0\nRECIPE=matomo:1.2.0+5.1.0\n",
		"# TYPE=matomo\n":                 "# TYPE=matomo\nTYPE=matomo:1.2.0+5.1.0\n",
		"A=1\n":                           "A=1\nTYPE=matomo:1.2.0+5.1.0\n",
	} {
		e := parseEnv(text)
		if err := e.SetRecipe("matomo", "1.2.0+5.1.0"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := string(e.Bytes()); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if name, version := e.Recipe(); name != "matomo" || version != "1.2.0+5.1.0" {
			t.Errorf("%q: reads back as %q %q", text, name, version)
		}
	}
}

func FuzzEnvSet(f *testing.F) {
	f.Add(sampleEnv, "DOMAIN", "a b")
	f.Add("A='1'\r\n#B=\"2", "B", "it's \\ \"$x\" `y` \r # z")
	f.Add("B=\"x\ny\" # c", "B", "\\")
	f.Add("\ufeff", "B", "\ufeff")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		e := parseEnv(text)
		before := len(e.Vars())
		if err := e.Set(name, value); err != nil {
			legal := name != "" && nameLen(name) == len(name) && !strings.ContainsAny(value, "\n\x00")
			if legal && len(parseEnv(text).Problems()) == 0 {
				t.Fatalf("a file without problems: %v", err)
			}
			if string(e.Bytes()) != text {
				t.Fatal("a failed Set changed the file")
			}
			return
		}
		v, ok := parseEnv(string(e.Bytes())).Get(name)
		if !ok || v.Value != value {
			t.Fatalf("set %q, read %q from %q", value, v.Value, e.Bytes())
		}
		if n := len(e.Vars()); n != before && n != before+1 {
			t.Fatalf("%d declarations became %d", before, n)
		}
		if len(value) < maxEnvValue {
			if env, _ := e.Environ(nil); env[name] != value && len(text) < maxEnvValue {
				t.Fatalf("set %q, Environ gives %q", value, env[name])
			}
		}
		again := parseEnv(string(e.Bytes()))
		if err := again.Set(name, value); err != nil || string(again.Bytes()) != string(e.Bytes()) {
			t.Fatalf("setting twice differs (%v): %q, %q", err, e.Bytes(), again.Bytes())
		}
		if err := e.Unset(name); err == nil {
			if _, ok := e.Get(name); ok || !e.Declared(name) {
				t.Fatalf("unset: %q", e.Bytes())
			}
		}
	})
}
