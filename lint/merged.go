package lint

import (
	"context"
	"errors"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/galley-coop/galley/recipe"
)

// merged keeps one recipe's merged models. Loading one costs a hundred times
// what a rule costs, so it is done when a rule asks, and once.
type merged struct {
	recipe *recipe.Recipe
	mu     sync.Mutex
	models map[string]modelOrError
}

type modelOrError struct {
	project *types.Project
	err     error
}

func (m *merged) model(ctx context.Context, overlay string) (*types.Project, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.models[overlay]; ok {
		return known.project, known.err
	}
	project, err := m.load(ctx, overlay)
	if m.models == nil {
		m.models = map[string]modelOrError{}
	}
	m.models[overlay] = modelOrError{project, err}
	return project, err
}

func (m *merged) load(ctx context.Context, overlay string) (*types.Project, error) {
	if m.recipe.Base == nil {
		return nil, errors.New("there is no compose file")
	}
	files := []string{m.recipe.Base.Text.Path}
	if overlay != "" {
		files = append(files, overlay)
	}
	return m.recipe.Model(ctx, recipe.ModelOptions{Files: files, Env: m.recipe.SampleEnvironment(), SkipValidation: true})
}
