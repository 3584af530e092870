package lint

import (
	"context"
	"errors"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/galley-coop/galley/recipe"
)

// shared is what the rules that look at one target make once for all of them: the
// merged models, which cost a hundred times what a rule costs, and whatever else
// several rules want. It is used by one goroutine at a time.
type shared struct {
	recipe   *recipe.Recipe
	models   map[string]modelOrError
	facts    map[any]any
	services []Service // nil before they were asked for
}

// Once gives what work returns for a target, called for the first rule that asks
// with that key. Keys are of types of their own, so that no two meanings share one;
// who gets the value must not change it.
func Once[T any](p *Pass, key any, work func() T) T {
	if known, ok := p.shared.facts[key]; ok {
		value, _ := known.(T) // a nil interface is no T, and is what was made
		return value
	}
	made := work()
	if p.shared.facts == nil {
		p.shared.facts = map[any]any{}
	}
	p.shared.facts[key] = made
	return made
}

type modelOrError struct {
	project *types.Project
	err     error
}

func (m *shared) model(ctx context.Context, overlay string) (*types.Project, error) {
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

func (m *shared) load(ctx context.Context, overlay string) (*types.Project, error) {
	if m.recipe.Base == nil {
		return nil, errors.New("there is no compose file")
	}
	files := []string{m.recipe.Base.Text.Path}
	if overlay != "" {
		files = append(files, overlay)
	}
	return m.recipe.Model(ctx, recipe.ModelOptions{Files: files, Env: m.recipe.SampleEnvironment(), SkipValidation: true})
}
