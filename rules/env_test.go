package rules

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// envCompose is a recipe's compose file with a service app, and the rest below.
func envCompose(service, rest string) string {
	return "version: \"3.8\"\nservices:\n  app:\n    image: a:1\n" + service + rest
}

func TestSecretVersions(t *testing.T) {
	secret := func(name string) string {
		return envCompose("", "secrets:\n  db_pass:\n    external: true\n    name: "+name+"\n")
	}
	tests := []struct {
		name, rule, compose, sample string
		want                        []string
	}{
		{"declared", "R120", secret("${STACK_NAME}_db_pass_${SECRET_DB_PASS_VERSION}"), "SECRET_DB_PASS_VERSION=v1\n", nil},
		{"with a default", "R120", secret("${STACK_NAME}_db_pass_${SECRET_DB_PASS_VERSION:-v1}"), "TYPE=a\n", nil},
		{"no sample at all", "R120", secret("x_${SECRET_DB_PASS_VERSION}"), "", nil},
		{"in a comment", "R120", secret("x_${SECRET_DB_PASS_VERSION}"), "#SECRET_DB_PASS_VERSION=v1\n",
			[]string{`compose.yml:8:13-38 the secret of every app needs SECRET_DB_PASS_VERSION, which .env.sample only has in a comment; expected SECRET_DB_PASS_VERSION=v1`}},
		{"not declared", "R120", secret("x_${SECRET_DB_PASS_VERSION}"), "TYPE=a\n",
			[]string{`compose.yml:8:13-38 .env.sample does not declare SECRET_DB_PASS_VERSION, so clients do not know of the secret; expected SECRET_DB_PASS_VERSION=v1`}},
		{"no prefix", "R121", secret("${STACK_NAME}_db_pass_${DB_PASS_VERSION}"), "TYPE=a\n",
			[]string{`compose.yml:8:35-50 secret "db_pass" takes its version from "DB_PASS_VERSION", where clients do not look for it; expected "SECRET_DB_PASS_VERSION"`}},
		{"no suffix, no braces", "R121", secret("${STACK_NAME}_db_pass_$SECRET_DB_PASS"), "TYPE=a\n",
			[]string{`compose.yml:8:34-48 secret "db_pass" takes its version from "SECRET_DB_PASS", where clients do not look for it; expected "SECRET_DB_PASS_VERSION"`}},
		{"no version", "R121", secret("${STACK_NAME}_db_pass"), "TYPE=a\n", nil},
		{"unused", "R126", secret("x_${SECRET_DB_PASS_VERSION}"), "SECRET_DB_PASS_VERSION=v1\nSECRET_DB_PASSES_VERSION=v1\n",
			[]string{`.env.sample:2:1-25 SECRET_DB_PASSES_VERSION is the version of a secret that no compose file has; expected one named after it, or no SECRET_DB_PASSES_VERSION`}},
		{"unknown, where a file is broken", "R126", "services: [", "SECRET_X_VERSION=v1\n", nil},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			files := []string{"compose.yml", test.compose}
			if test.sample != "" {
				files = append(files, ".env.sample", test.sample)
			}
			expect(t, found(t, test.rule, files...), test.want...)
		})
	}
}

func TestSecretModifiers(t *testing.T) {
	tests := []struct{ rule, comment, want string }{
		{"R123", "# length=32 generate=false charset=hex", ""},
		{"R123", "# see https://example.org/?key=value for how to get one", ""},
		{"R123", "# lenght=32", `17-26 clients do not know the modifier "lenght=32" of SECRET_X_VERSION; expected "length="`},
		{"R123", "# size=32", `17-24 clients do not know the modifier "size=32" of SECRET_X_VERSION; expected length, generate or charset`},
		{"R123", "# Length=32, please", `17-26 clients do not know the modifier "Length=32" of SECRET_X_VERSION; expected "length="`},
		{"R124", "# length=32 charset=hex", ""},
		{"R124", "# the length is 32 characters", ""},
		{"R124", "# charset=alnum", `17-30 the modifier "charset=alnum" of SECRET_X_VERSION has a value that clients do not know; expected default, special, safespecial or hex`},
		{"R124", "# length=0", `17-25 the modifier "length=0" of SECRET_X_VERSION has a value that clients do not know; expected a number from 1 to 1024`},
		{"R124", "# generate=no", `17-28 the modifier "generate=no" of SECRET_X_VERSION has a value that clients do not know; expected true or false`},
		{"R124", "# length: 32", `17-24 clients do not read "length:" behind SECRET_X_VERSION; expected "length=32"`},
		{"R124", "# length = 32", `17-23 clients do not read "length" behind SECRET_X_VERSION; expected "length=32"`},
	}
	for _, test := range tests {
		t.Run(test.rule+test.comment, func(t *testing.T) {
			got := found(t, test.rule, "compose.yml", envCompose("", ""), ".env.sample", "TYPE=a\nSECRET_X_VERSION=v1 "+test.comment+"\n")
			for i, line := range got {
				position, message, _ := strings.Cut(strings.TrimPrefix(line, ".env.sample:2:"), " ")
				from, to, _ := strings.Cut(position, "-")
				got[i] = shift(from) + "-" + shift(to) + " " + message
			}
			if test.want == "" {
				expect(t, got)
				return
			}
			expect(t, got, test.want)
		})
	}
}

// shift counts columns from behind "SECRET_X" on, which keeps the table short.
func shift(column string) string {
	n := 0
	for _, digit := range column {
		n = n*10 + int(digit-'0')
	}
	n -= 6
	return string(rune('0'+n/10)) + string(rune('0'+n%10))
}

func TestVariables(t *testing.T) {
	tests := []struct {
		name, rule, service, sample, script string
		want                                []string
	}{
		{"declared in a comment", "R129", "    user: ${U}\n", "TYPE=a\n#U=1\n", "", nil},
		{"exported", "R129", "    user: ${U}\n", "TYPE=a\n", "export U=1\n", nil},
		{"required", "R129", "    user: ${U:?why}\n", "TYPE=a\n", "", nil},
		{"the stack's name", "R129", "    user: ${STACK_NAME}\n", "TYPE=a\n", "", nil},
		{"escaped", "R129", "    user: $${U}\n", "TYPE=a\n", "", nil},
		{"a hash", "R129", "    user: $apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/\n", "TYPE=a\n", "", nil},
		{"undeclared, once", "R129", "    user: ${U}\n    working_dir: /${U}\n", "TYPE=a\n", "",
			[]string{`compose.yml:5:11-15 neither .env.sample nor abra.sh declares U and it has no default, so it is empty; expected a declaration or ${U:-…}`}},
		{"passed on", "R159", "    environment:\n      - U\n      - V=1\n", "TYPE=a\n", "",
			[]string{`compose.yml:6:9-10 environment passes U on, which neither .env.sample nor abra.sh declares, so operators do not learn of it; expected a declaration, if a commented one`}},
		{"passed on and declared", "R159", "    environment:\n      - U\n", "TYPE=a\n#U=1\n", "", nil},
		{"a key without a value", "R159", "    environment:\n      U:\n", "TYPE=a\n", "", nil},
		{"taken by a hook in abra.sh", "R127", "", "TYPE=a\nU=1\n", "f() {\n  echo $U\n}\n", nil},
		{"taken by a command", "R127", "    command: sh -c 'echo $$U'\n", "TYPE=a\nU=1\n", "", nil},
		{"taken by another value", "R127", "    user: ${V}\n", "TYPE=a\nU=1\nV=x$U\n", "", nil},
		{"taken in a comment only", "R127", "    # user: ${U}\n", "TYPE=a\nU=1\n", "",
			[]string{`.env.sample:2:1-2 no compose file, no template and not abra.sh takes U, so it reaches nothing, unless a client hands all of an app's env file to a service; expected it in a service's environment, or no U`}},
		{"what clients read", "R127", "", "TYPE=a\nENABLE_AUTO_UPDATE=true\nPOST_DEPLOY_CMDS=\"app x\"\nCOMPOSE_FILE=compose.yml\n", "", nil},
		{"computed", "R133", "    user: ${U}\n", "TYPE=a\n", "export U=$(id -u)\n",
			[]string{`compose.yml:5:11-15 takes U, which abra.sh only computes when it runs, so a deploy has no value for it; expected export U=<value>`}},
		{"without export", "R133", "    user: ${U}\n", "TYPE=a\n", "U=1\n",
			[]string{`compose.yml:5:11-15 takes U, which abra.sh sets without export, so a deploy has no value for it; expected export U=<value>`}},
		{"another default", "R134", "    user: ${U:-1}\n", "TYPE=a\n", "export U=2\n",
			[]string{`compose.yml:5:16-17 the default of U is "1", but abra.sh exports "2", which always wins; expected both to agree`}},
		{"two defaults", "R135", "    user: ${U:-1}\n    working_dir: ${U-2}\n    hostname: ${U:-}\n", "TYPE=a\n", "",
			[]string{`compose.yml:6:22-23 the default of U is "2" here and "1" elsewhere; expected one`}},
		{"twice", "R130", "", "TYPE=a\nU=1\nU=2\n", "", []string{`.env.sample:3:1-2 U is set twice, to "2" after "1"; readers disagree on which one counts; expected one`}},
		{"building on itself", "R130", "", "TYPE=a\nU=1\nU=$U:2\n#U=3\n", "", nil},
		{"exported twice", "R131", "", "TYPE=a\n", "export U=1\nexport U=2\n", []string{`abra.sh:2:8-9 U is exported twice, as "1" and as "2"; only the last one counts; expected one`}},
		{"exported twice, computed", "R131", "", "TYPE=a\n", "export U=1\nexport U=$U-x\n", nil},
		{"an export of abra.sh's own", "R132", "", "TYPE=a\n", "export U_VERSION=v1\nf() { echo $U_VERSION; }\n", nil},
		{"an unused export", "R132", "", "TYPE=a\n", "export U_VERSION=v1\nexport V=1\n",
			[]string{`abra.sh:1:8-17 no config is named after U_VERSION, so raising it deploys nothing; expected ${U_VERSION} in a config's name, or no such export`}},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			expect(t, found(t, test.rule, "compose.yml", envCompose(test.service, ""), ".env.sample", test.sample, "abra.sh", test.script), test.want...)
		})
	}
}

// TestEnvironmentFixesCure wants each fix to make its finding go away.
func TestEnvironmentFixesCure(t *testing.T) {
	base := baseRecipe(t)
	cured := 0
	for _, rule := range environmentRules() {
		page, _ := Page(rule.ID)
		bad := parseExample(t, sections(page)["Bad"])
		files := bad.over(t, base)
		for _, f := range run(t, files, bad.world(t, base), lint.Options{Only: []string{rule.ID}}).Findings {
			if f.Fix == nil {
				continue
			}
			cured++
			fixed := fstest.MapFS{}
			for name, file := range files {
				fixed[name] = file
			}
			for _, e := range f.Fix.Edits {
				text := recipe.NewText(e.File, fixed[e.File].Data)
				from, to := text.Offset(e.Start), text.Offset(e.End)
				if to < 0 {
					to = len(text.Bytes)
				}
				fixed[e.File] = &fstest.MapFile{Data: []byte(string(text.Bytes[:from]) + e.Text + string(text.Bytes[to:]))}
			}
			expect(t, lines(run(t, fixed, bad.world(t, base), lint.Options{Only: []string{rule.ID}}).Findings))
		}
	}
	if cured < 8 {
		t.Errorf("%d findings with a fix; expected at least 8", cured)
	}
}
