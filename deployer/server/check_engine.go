package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// testedAPI is the oldest version of the engine's API that galley is tested with.
const testedAPI = "1.41"

// checkEngines tells which engines answer, and whether the swarm's are all of one
// version.
func checkEngines(s *Survey) []Finding {
	var found []Finding
	if s.NodesFileErr != nil {
		found = append(found, Finding{"engine", Failed, "", s.NodesFileErr.Error(), fault.HintOf(s.NodesFileErr)})
	}
	for _, l := range s.Looks {
		switch {
		case l.Err != nil:
			found = append(found, Finding{"engine", Failed, l.Host(), l.Err.Error(), fault.HintOf(l.Err)})
		case deployer.OlderAPI(l.API, testedAPI):
			found = append(found, Finding{"engine", Warning, l.Host(), engineText(l) + ", older than what galley is tested with", "upgrade it: the distribution's newer release has one"})
		default:
			found = append(found, Finding{"engine", OK, l.Host(), engineText(l), ""})
		}
	}
	if versions := engineVersions(s); len(versions) > 1 {
		found = append(found, Finding{"engine", Warning, "", "the swarm's nodes run different engines: " + strings.Join(versions, ", "),
			"bring them to one version: what an engine knows depends on where a task runs"})
	}
	return found
}

func engineText(l *Look) string {
	return fmt.Sprintf("Engine %s answers, API %s", l.Info.ServerVersion, l.API)
}

// engineVersions are those of the swarm's nodes, each once.
func engineVersions(s *Survey) []string {
	var versions []string
	for _, n := range s.Nodes {
		if v := n.Description.Engine.EngineVersion; v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	return versions
}

// checkAPI tells what of recipes the engine that deploys go to would not keep.
func checkAPI(s *Survey) []Finding {
	m := s.Manager()
	if m == nil {
		return nil
	}
	if dropped := deployer.Drops(m.Spoken); len(dropped) > 0 {
		return []Finding{{"api", Warning, m.Host(), fmt.Sprintf("API %s: it drops %s without a word", m.Spoken, strings.Join(dropped, ", ")),
			"galley app plan names those that an app asks for; a newer engine keeps them"}}
	}
	return []Finding{{"api", OK, m.Host(), fmt.Sprintf("API %s: it keeps all that recipes can ask for", m.Spoken), ""}}
}
