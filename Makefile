# galley: make demo, make test. Everything else is for those who change the code.
SHELL := /bin/sh
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
RELEASE_FLAGS := -trimpath -ldflags "-s -w -X main.release=$(VERSION)"
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64

.PHONY: demo test test-engines bare lint bench soak build clean golden fuzz verdicts

## demo: the whole chain on sample recipes: lint, catalogue, deploy, put-back
demo:
	@.ci/setup
	@CGO_ENABLED=0 $(GO) build $(RELEASE_FLAGS) -o build/galley ./cmd/galley
	@build/galley demo

# The packages that take longest begin first, or the last of them would run alone.
LONGEST := ./cmd/galley ./internal/soak ./catalogue ./internal/backups ./internal/bare ./deployer ./internal/nodes

## test: everything, on a private engine that the tests start themselves
test: lint
	@.ci/setup race
	CGO_ENABLED=0 $(GO) test -vet=off -run Nasty ./rules # its large files, which the race detector spares
	CGO_ENABLED=1 $(GO) test -vet=off -race -p 2 -timeout 40m $(LONGEST) ./... # two: each of the longest has engines of its own, and those share two cores

## test-engines: the tests that need a swarm, on Engine 20.10 and on Engine 28.5
test-engines:
	@.ci/setup
	@GO="$(GO)" .ci/engines

## bare: from bare Debian machines to an app that was deployed, backed up, destroyed and restored
bare:
	@.ci/setup
	@GO="$(GO)" .ci/bare

## lint: formatting, vet, staticcheck
lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt: $$files"; exit 1; fi
	CGO_ENABLED=0 $(GO) vet ./... # as the programs of the tests are built: compiled once

	CGO_ENABLED=0 $(GO) run $(STATICCHECK) ./...

## bench: the benchmarks, with allocations; deploys are compared with docker's client
bench:
	@.ci/setup
	@GO="$(GO)" .ci/docker28 cli
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

## soak: SOAK deploys with a random fault in each, judged by what the engine has
SOAK ?= 200
SEED ?= 0
soak:
	@.ci/setup
	$(GO) test ./internal/soak -run TestSoak -count=1 -v -timeout 60m -soak $(SOAK) -seed $(SEED)

## build: release binaries for every platform, in build/
build:
	@for p in $(PLATFORMS); do \
		echo "build/galley-$${p%/*}-$${p#*/}"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build $(RELEASE_FLAGS) -o build/galley-$${p%/*}-$${p#*/} ./cmd/galley || exit 1; \
	done

## golden: rewrite the golden files; read the diff before you commit it
golden:
	$(GO) test ./lint/report ./deployer ./cmd/galley ./internal/rulesdoc -update

## verdicts: docs/verdicts.md, from a run of every case with galley and with the docker CLI
verdicts:
	@.ci/setup
	@.ci/docker28 cli
	$(GO) test ./deployer -run '^TestVerdicts$$' -count 1 -timeout 30m -verdicts -docker $(CURDIR)/build/docker28/docker

## fuzz: each fuzz target for FUZZTIME
FUZZTIME ?= 20s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

clean:
	rm -rf build
