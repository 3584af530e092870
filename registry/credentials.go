package registry

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// helperTimeout bounds one question to a credential helper, which is a program
// that may wait for a locked keyring.
const helperTimeout = 30 * time.Second

var helperName = regexp.MustCompile(`docker-credential-[A-Za-z0-9._-]+`)

// keychain puts a deadline on another keychain and takes out of its errors what
// a credential helper printed.
type keychain struct{ inner authn.Keychain }

// Resolve is authn.Keychain.
func (k keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext is authn.ContextKeychain. A helper that hangs is left behind;
// there is no way to end it from here.
func (k keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	type answer struct {
		auth authn.Authenticator
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		auth, err := authn.Resolve(ctx, k.inner, target)
		got <- answer{auth, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return nil, &credentialError{credentialText(a.err)}
		}
		return a.auth, nil
	case <-ctx.Done():
		if context.Cause(ctx) == context.Canceled {
			return nil, ctx.Err()
		}
		return nil, &credentialError{"cannot be asked: the credential helper did not answer in time"}
	}
}

// credentialText never quotes the error, which holds the helper's output.
func credentialText(err error) string {
	text := err.Error()
	helper := helperName.FindString(text)
	switch {
	case helper == "" && strings.Contains(text, "getting credentials"):
		return "cannot be asked: the credential helper failed"
	case helper == "":
		return "cannot be asked: the docker config cannot be read"
	case strings.Contains(text, "not found") || strings.Contains(text, "no such file"):
		return fmt.Sprintf("cannot be asked: the credential helper %q is not installed", helper)
	}
	return fmt.Sprintf("cannot be asked: the credential helper %q failed", helper)
}
