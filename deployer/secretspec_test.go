package deployer

import (
	"crypto/rand"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
)

const secretCompose = `
services:
  app:
    image: nginx:1.27
    secrets: [db_password, api-key, shared]
  db:
    image: nginx:1.27
    secrets: [db_password, plain]
secrets:
  db_password: {name: "${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}", external: true}
  api-key: {name: "${STACK_NAME}_api_${SECRET_API_KEY_VERSION}", external: true}
  plain: {name: "${STACK_NAME}_plain", external: true}
  shared: {name: everyones, external: true}
  unused: {name: "${STACK_NAME}_unused_v1", external: true}
`

func TestSecretsOf(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\nSECRET_DB_PASSWORD_VERSION=v2 # length=32 charset=hex\nSECRET_API_KEY_VERSION=v1\n")
	r := loadRecipe(t, map[string]string{
		"compose.yml": secretCompose,
		".env.sample": "SECRET_DB_PASSWORD_VERSION=v1 # length=8\nSECRET_API_KEY_VERSION=v1 # generate=false\n",
	})
	got, err := SecretsOf(t.Context(), app, r)
	if err != nil {
		t.Fatal(err)
	}
	want := []SecretSpec{
		{Key: "shared", Name: "everyones", Services: []string{"app"}},
		{Key: "api-key", Name: "web_example_org_api_v1", Version: "v1", Generate: true, Services: []string{"app"}},
		{Key: "db_password", Name: "web_example_org_db_password_v2", Version: "v2", Length: 32, Charset: "hex", Generate: true, Services: []string{"app", "db"}},
		{Key: "plain", Name: "web_example_org_plain", Generate: true, Services: []string{"db"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets differ (-want +got):\n%s", diff)
	}
}

func TestSampleSaysHowWhenTheEnvFileDoesNot(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\nSECRET_DB_PASSWORD_VERSION=v2\n")
	r := loadRecipe(t, map[string]string{
		"compose.yml": strings.ReplaceAll(secretCompose, "${SECRET_API_KEY_VERSION}", "v9"),
		".env.sample": "SECRET_DB_PASSWORD_VERSION=v1\nSECRET_API_KEY_VERSION=v9 # generate=false\n",
	})
	got, err := SecretsOf(t.Context(), app, r)
	if err != nil {
		t.Fatal(err)
	}
	if s := got[1]; s.Key != "api-key" || s.Generate || s.Version != "v9" {
		t.Errorf("api-key = %+v, want generate=false of the sample", s)
	}
}

func TestGenerate(t *testing.T) {
	for _, test := range []struct {
		spec SecretSpec
		form string
	}{
		{SecretSpec{}, `^([a-hj-km-np-z2-9]{4}-){6}[a-hj-km-np-z2-9]{4}$`},
		{SecretSpec{Length: 20}, `^[A-Za-z0-9]{20}$`},
		{SecretSpec{Length: 20, Charset: "alnum"}, `^[A-Za-z0-9]{20}$`},
		{SecretSpec{Length: 64, Charset: "hex"}, `^[0-9a-f]{64}$`},
		{SecretSpec{Charset: "hex"}, `^[0-9a-f]{40}$`},
		{SecretSpec{Length: 1000, Charset: "special"}, `^[!-~]{1000}$`},
		{SecretSpec{Length: 99, Charset: "default,safespecial"}, `^[A-Za-z0-9!@#%^&*_+=-]{99}$`},
		{SecretSpec{Length: 1}, `^.$`},
	} {
		test.spec.Generate = true
		got, err := Generate(test.spec, rand.Reader)
		if err != nil || !regexp.MustCompile(test.form).Match(got) {
			t.Errorf("Generate(%+v) = %q, %v; want %s", test.spec, got, err, test.form)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, test := range []struct {
		spec   SecretSpec
		random io.Reader
		want   string
	}{
		{SecretSpec{Key: "x"}, rand.Reader, "not to be generated"},
		{SecretSpec{Generate: true, Length: 8, Charset: "klingon"}, rand.Reader, `charset "klingon" is not known`},
		{SecretSpec{Generate: true, Length: 5000}, rand.Reader, "length 5000"},
		{SecretSpec{Generate: true, Length: -1}, rand.Reader, "length -1"},
		{SecretSpec{Generate: true}, iotest.ErrReader(errors.New("no entropy")), "no entropy"},
		{SecretSpec{Generate: true}, strings.NewReader("short"), "EOF"},
		{SecretSpec{Generate: true, Length: 8, Charset: "alnum"}, stuck{}, "not random"},
	} {
		if got, err := Generate(test.spec, test.random); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Generate(%+v) = %q, %v; want %q", test.spec, got, err, test.want)
		}
	}
	if _, err := Generate(SecretSpec{Key: "x"}, rand.Reader); !strings.Contains(fault.HintOf(err), "secret insert") {
		t.Errorf("hint = %q", fault.HintOf(err))
	}
}

// stuck gives a byte that no character is made from, for ever.
type stuck struct{}

func (stuck) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

// every gives all 256 bytes in turn: an even source shows any bias exactly.
type every struct{ next byte }

func (e *every) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.next
		e.next++
	}
	return len(p), nil
}

func TestCharactersAreEquallyLikely(t *testing.T) {
	for _, charset := range []string{charsetAlnum, charsetHex, charsetPassphrase, charsetAlnum + charsetSpecial} {
		length := len(charset) * (256 / len(charset)) // one whole turn of the source
		got, err := pick(&every{}, charset, length)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[byte]int{}
		for _, b := range got {
			counts[b]++
		}
		for _, b := range []byte(charset) {
			if counts[b] != 256/len(charset) {
				t.Errorf("%q of %q came %d times, want %d", b, charset, counts[b], 256/len(charset))
			}
		}
	}
}

func TestPassphrasesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		got, err := Generate(SecretSpec{Generate: true}, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(got)] {
			t.Fatalf("%q came twice in 1000", got)
		}
		seen[string(got)] = true
	}
}

func TestCharsetsHaveNoCharacterTwice(t *testing.T) {
	for _, charset := range []string{"", "special", "safespecial", "hex", "default,special,safespecial"} {
		chars, err := charsetOf(SecretSpec{Charset: charset})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range chars {
			if strings.IndexRune(chars, r) != i {
				t.Errorf("charset %q has %q twice", charset, r)
			}
		}
	}
}
