package engine

import (
	"fmt"
	"os"
	"path/filepath"
)

// Which engine the tests run on is the environment's to say, so that the same tests
// run on several: `make test-engines` sets both.
const (
	// DockerdEnv is the path of the daemon that engines are started with whose options
	// name none. What lies beside it (docker-proxy) is the daemon's.
	DockerdEnv = "GALLEY_TEST_DOCKERD"
	// APIEnv is the highest version of the API, as in "1.51", that the engine must
	// have: another engine than the one asked for ends its start with an error.
	APIEnv = "GALLEY_TEST_API"
)

// chosenDockerd is the daemon to start: the one that the options name, else the
// environment's, else the one in PATH or the sbin directories.
func chosenDockerd(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	path := os.Getenv(DockerdEnv)
	if path == "" {
		return findTool("dockerd", ""), nil
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s=%q: expected an absolute path", DockerdEnv, path)
	}
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s=%q is no executable file: .ci/docker28 engine builds one", DockerdEnv, path)
	}
	return path, nil
}

// checkAPI fails for an engine that is not the one that the environment asks for.
func checkAPI(version, api string) error {
	if want := os.Getenv(APIEnv); want != "" && api != want {
		return fmt.Errorf("engine %s with API %s answers, %s asks for API %s", version, api, APIEnv, want)
	}
	return nil
}
