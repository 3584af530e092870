package deployer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// SecretSpec is a secret that services of an app use.
type SecretSpec struct {
	Key     string `json:"key"`     // in the compose file: "db_password"
	Name    string `json:"name"`    // on the swarm
	Version string `json:"version"` // "v1", "" when the name has none
	// Length in characters; 0 asks for a passphrase.
	Length  int    `json:"length"`
	Charset string `json:"charset"` // as written, "" for the default
	// Generate is false when the operator must insert the value.
	Generate bool     `json:"generate"`
	Services []string `json:"services"` // compose names, sorted
}

// SecretsOf lists the secrets that the app's services use, by name, without a
// catalogue entry: they can be made before the first deploy.
func SecretsOf(ctx context.Context, app App, r *recipe.Recipe) ([]SecretSpec, error) {
	model, err := loadModel(ctx, app, r)
	if err != nil {
		return nil, err
	}
	return secretSpecs(model.project, app, r.Sample), nil
}

// secretSpecs reads the external secrets of a model. How a secret is made stands
// in comments of the env file, else of the sample. A secret whose name is not
// the stack's own belongs to someone else, and is never generated.
func secretSpecs(project *types.Project, app App, sample *recipe.EnvFile) []SecretSpec {
	declared := map[string]recipe.SecretVar{}
	for _, file := range []*recipe.EnvFile{sample, app.Env} {
		if file == nil {
			continue
		}
		for _, s := range file.Secrets() {
			if _, known := declared[s.Key]; !known || !s.Commented {
				declared[s.Key] = s
			}
		}
	}
	users := map[string][]string{}
	for name, service := range project.Services {
		for _, s := range service.Secrets {
			if !slices.Contains(users[s.Source], name) {
				users[s.Source] = append(users[s.Source], name)
			}
		}
	}
	specs := []SecretSpec{}
	for key, services := range users {
		object, ok := project.Secrets[key]
		if !ok || !bool(object.External) {
			continue
		}
		slices.Sort(services)
		spec := SecretSpec{Key: key, Name: cmp.Or(object.Name, key), Services: services}
		own := strings.HasPrefix(spec.Name, app.Stack+"_")
		spec.Generate = own
		if s, ok := declared[secretKey(key)]; ok {
			spec.Length, spec.Charset, spec.Generate = s.Length, s.Charset, own && s.Generate
			if strings.HasSuffix(spec.Name, "_"+s.Version) {
				spec.Version = s.Version
			}
		}
		specs = append(specs, spec)
	}
	slices.SortFunc(specs, func(a, b SecretSpec) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(specs, func(a, b SecretSpec) bool { return a.Name == b.Name })
}

// secretKey is how env files write a compose key: SECRET_<KEY>_VERSION.
func secretKey(key string) string { return strings.ToUpper(strings.ReplaceAll(key, "-", "_")) }

// The characters that a generated value is made of. The passphrase's have no
// look-alikes (i, l, o, 0, 1 are out).
const (
	charsetAlnum      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	charsetSpecial    = "!@#$%^&*()_+-=[]{}<>?,.:;~"
	charsetSafe       = "!@#%^&*_-+="
	charsetHex        = "0123456789abcdef"
	charsetPassphrase = "abcdefghjkmnpqrstuvwxyz23456789"
)

// passphraseGroups of four characters make a passphrase: 28 characters of 31,
// 138 bits, that can be read over the phone.
const passphraseGroups = 7

// defaultLength is for a charset without a length: 160 bits even in hex.
const defaultLength = 40

// Generate makes a value from random bytes, each character as likely as any
// other. Without a length or charset it is a passphrase such as
// "k7mq-…": seven groups of four. It refuses a secret that the operator
// must insert, and a charset it does not know.
func Generate(spec SecretSpec, random io.Reader) ([]byte, error) {
	if !spec.Generate {
		return nil, fault.Hint(fault.New(fault.Unavailable, "secret %q is not to be generated; expected a value from you", spec.Key),
			"galley app secret insert takes it from standard input")
	}
	if spec.Length == 0 && spec.Charset == "" {
		return passphrase(random)
	}
	charset, err := charsetOf(spec)
	if err != nil {
		return nil, err
	}
	length := cmp.Or(spec.Length, defaultLength)
	if length < 1 || length > recipe.MaxSecretLength {
		return nil, fmt.Errorf("secret %q: length %d; expected 1 to %d", spec.Key, length, recipe.MaxSecretLength)
	}
	return pick(random, charset, length)
}

// charsetOf reads a charset, or several with commas between them.
func charsetOf(spec SecretSpec) (string, error) {
	known := map[string]string{
		"": charsetAlnum, "default": charsetAlnum, "alnum": charsetAlnum, "hex": charsetHex,
		"special": charsetAlnum + charsetSpecial, "safespecial": charsetAlnum + charsetSafe,
	}
	var union strings.Builder
	for _, name := range strings.Split(spec.Charset, ",") {
		chars, ok := known[strings.TrimSpace(name)]
		if !ok {
			return "", fault.Hint(fmt.Errorf("secret %q: charset %q is not known; expected one of %s", spec.Key, name, strings.Join(recipe.Charsets(), ", ")),
				"change the charset= comment in the env file, or insert the secret")
		}
		for _, r := range chars {
			if !strings.ContainsRune(union.String(), r) {
				union.WriteRune(r)
			}
		}
	}
	return union.String(), nil
}

func passphrase(random io.Reader) ([]byte, error) {
	chars, err := pick(random, charsetPassphrase, 4*passphraseGroups)
	if err != nil {
		return nil, err
	}
	var groups []string
	for group := range slices.Chunk(chars, 4) {
		groups = append(groups, string(group))
	}
	return []byte(strings.Join(groups, "-")), nil
}

// pick draws characters of charset, each as likely as any other: bytes above the
// largest multiple of its size are drawn again.
func pick(random io.Reader, charset string, length int) ([]byte, error) {
	limit := 256 - 256%len(charset)
	picked := make([]byte, 0, length)
	buffer := make([]byte, 64)
	for tries := 0; len(picked) < length; tries++ {
		if tries > 64+length {
			return nil, fmt.Errorf("generating a secret: the source of random bytes is not random")
		}
		if _, err := io.ReadFull(random, buffer); err != nil {
			return nil, fmt.Errorf("generating a secret: %w", err)
		}
		for _, b := range buffer {
			if int(b) < limit && len(picked) < length {
				picked = append(picked, charset[int(b)%len(charset)])
			}
		}
	}
	clear(buffer)
	return picked, nil
}
