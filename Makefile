GOLANGCI_LINT_VERSION := v2.15.0
GOBIN := $(shell go env GOPATH)/bin
export PATH := $(PATH):$(GOBIN):/usr/sbin:/sbin

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH   ?= $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
DATE     ?= $(shell TZ=UTC0 git show -s --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
IMAGE    ?= endpoint-exporter/endpoint_exporter
DOCKER   ?= docker
PKG      := github.com/prometheus/common/version
LDFLAGS  := -s -w -X $(PKG).Version=$(VERSION) -X $(PKG).Revision=$(REVISION) -X $(PKG).Branch=$(BRANCH) -X $(PKG).BuildDate=$(DATE)

# Property tests draw the same cases in each run, so that only a change makes them fail; 0 draws new ones in each run.
RAPID_SEED ?= 1
export RAPID_SEED

.PHONY: all build image test test-unit release-check lint generate fuzz worlds bench soak demo golden oracle
all: build

build: ## build both programs into the current directory
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o . ./cmd/...

image: ## the container image, with its version, revision and date
	$(DOCKER) build -t $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) \
	  --build-arg BUILD_DATE=$(DATE) $(addprefix --label org.opencontainers.image.created=,$(filter-out unknown,$(DATE))) .

test: ## everything: unit tests, real peers, the whole exporter, with the race detector
	scripts/test-tools
	scripts/device-client >/dev/null || [ $$? = 3 ] # 3: it cannot be built here, recorded verdicts stand in for it
	go vet -tags realpeers,release,slow,soak ./...
	go test -race -tags realpeers -timeout 40m -coverprofile coverage.out ./...
	@go tool cover -func coverage.out | tail -n 1

test-unit: ## the tests that need only Go and no root: all but those with real programs and network namespaces
	go test ./...
	@echo "Not run: the tests of $$(git grep -l '^//go:build.*realpeers' -- '*_test.go' | wc -l) files with the tag realpeers," \
	  "which need other programs and root. make test runs them."

release-check: ## build a release without publishing it: archives, packages and the image, installed and run
	scripts/release-check

GOLDEN_PACKAGES = $$(git grep -l 'internal/golden"' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')
golden: ## rewrite the golden files; read the diff before you commit it
	GOLDEN_UPDATE=1 go test $(GOLDEN_PACKAGES)

generate: ## docs/metrics.md and the dashboards, from the collector's table
	go generate ./...

FUZZTIME ?= 30s
fuzz: ## every fuzz target, each for FUZZTIME
	@set -e; for dir in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go | cut -c6-); do \
	    echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$dir; done; done

ORACLE ?= 10m
oracle: ## compare device and exporter on randomly changed servers, for ORACLE
	go test -tags realpeers -run '^TestMutatedPeers$$' -count 1 -timeout 0 -v ./internal/lab/oracle -random $(ORACLE)

WORLDS ?= 10000
worlds: ## draw WORLDS new random worlds for the staleness proof, honest ones and violators
	go test -run '^TestWorlds(Honest|Violators)$$' -count 1 -timeout 0 -v ./internal/staleness \
	  -rapid.seed=0 -rapid.checks=$(WORLDS)

bench: ## the benchmarks of docs/performance.md; compare runs with benchstat
	go test -tags realpeers -run '^$$' -bench . -benchmem -count 6 ./...

SOAK ?= 2h
SOAKFLAGS ?=
soak: ## scrape for SOAK with faults and reloads, and show how memory, goroutines and files grow; SOAKFLAGS=-race
	go test -tags soak -run '^TestSoak$$' -count 1 -timeout 0 -v ./cmd/endpoint_exporter -soak $(SOAK) -soak.build='$(SOAKFLAGS)'

demo: ## the simulated cloud, the exporter, Prometheus and Alertmanager, with faults on a timetable
	scripts/demo

lint:
	@golangci-lint version --short 2>/dev/null | grep -qx '$(GOLANGCI_LINT_VERSION:v%=%)' || \
	  go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	golangci-lint run
