package registry

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Login is what the docker config knows for a registry. It is empty for a
// registry nobody logged in to. It holds secrets: it is for handing on to an
// engine, and nothing else.
type Login struct {
	Host                         string // the registry's, as the engine knows it
	Username, Password           string
	IdentityToken, RegistryToken string
}

// LoginFor finds the login for an image reference in the docker config, as
// `docker stack deploy --with-registry-auth` does. A credential helper that is
// missing or fails is an error.
func LoginFor(ctx context.Context, reference string) (Login, error) {
	ref, err := ParseReference(reference)
	if err != nil {
		return Login{}, err
	}
	repository, err := name.NewRepository(ref.Name())
	if err != nil {
		return Login{}, fmt.Errorf("reading reference %q: %w", reference, err)
	}
	auth, err := keychain{authn.DefaultKeychain}.ResolveContext(ctx, repository)
	if err != nil {
		return Login{}, fmt.Errorf("finding the login for %s: %w", repository.RegistryStr(), err)
	}
	config, err := auth.Authorization()
	if err != nil {
		return Login{}, fmt.Errorf("finding the login for %s: %w", repository.RegistryStr(), err)
	}
	return Login{
		Host: repository.RegistryStr(), Username: config.Username, Password: config.Password,
		IdentityToken: config.IdentityToken, RegistryToken: config.RegistryToken,
	}, nil
}
