package catalogue

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/recipe/source/signers"
)

// allowedSigners are the files of signers that a run reads, each set once.
type allowedSigners struct {
	mu   sync.Mutex
	sets map[string]signerSet
}

type signerSet struct {
	signers *signers.Signers
	hash    string // of the files' contents
	err     error
}

func (a *allowedSigners) load(files []string) (*signers.Signers, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := strings.Join(files, "\x00")
	set, ok := a.sets[key]
	if !ok {
		set = loadSigners(files)
		if a.sets == nil {
			a.sets = map[string]signerSet{}
		}
		a.sets[key] = set
	}
	return set.signers, set.hash, set.err
}

func loadSigners(files []string) signerSet {
	var set signerSet
	if set.signers, set.err = signers.Load(files...); set.err != nil {
		return set
	}
	var all strings.Builder
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return signerSet{err: fmt.Errorf("reading allowed signers: %w", err)}
		}
		fmt.Fprintf(&all, "%s\n", hashOf(data))
	}
	set.hash = hashOf([]byte(all.String()))
	return set
}

// signedBy verifies a tag's signature where the source asks for one.
func (s *builtSource) signedBy(ctx context.Context, repo *source.Repository, v source.Version) (*Signer, error) {
	if s.signers == nil {
		return nil, nil
	}
	by, err := repo.VerifyTag(ctx, v.Name, v.Tag, s.signers)
	if err != nil {
		return nil, err
	}
	return &Signer{Kind: by.Kind, Name: cleanLine(by.Name, maxTagger), Fingerprint: by.Fingerprint}, nil
}
