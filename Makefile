GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.8.0
BLACKBOX_VERSION      := v0.28.0
HELM_VERSION          := v3.19.0
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

.PHONY: all build image test test-unit release-check release lint helm chart chart-golden vulnerabilities generate fuzz worlds bench bench-clocks bench-peers fleet fleet-bench browser soak demo golden oracle pictures
all: build

build: ## build both programs into the current directory
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o . ./cmd/...

image: ## the container image, with its version, revision and date
	$(DOCKER) build -t $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) \
	  --build-arg BUILD_DATE=$(DATE) $(addprefix --label org.opencontainers.image.created=,$(filter-out unknown,$(DATE))) .

# SLOWEST_PACKAGES are the packages that make test starts first, so that none of them runs at the end with a processor
# idle. Many packages mostly wait, so one more than there are processors runs at a time.
SLOWEST_PACKAGES := $(addprefix ./,internal/e2e alerts docs/examples cmd/endpoint_exporter internal/resolve \
  internal/lab/resolvers internal/lab/oracle internal/present)
# SEQUENTIAL_PACKAGES have nothing that runs concurrently. The race detector finds nothing there, and makes their long
# simulations several times as slow.
SEQUENTIAL_PACKAGES := ./internal/staleness
test: ## everything: unit tests, real peers, the whole exporter, with the race detector
	scripts/test-tools
	scripts/device-client >/dev/null || [ $$? = 3 ] # 3: it cannot be built here, recorded verdicts stand in for it
	scripts/prometheus3 >/dev/null
	go vet -tags benchpeers,browser,capture,fleet,realpeers,release,slow,soak ./...
	go test -tags realpeers -timeout 40m -covermode atomic -coverprofile coverage.out $(SEQUENTIAL_PACKAGES)
	go test -race -tags realpeers -timeout 40m -p $$(($$(nproc) + 1)) -coverprofile coverage.race.out $(SLOWEST_PACKAGES) \
	  $$(go list -tags realpeers ./... | grep -vxF "$$(go list $(SEQUENTIAL_PACKAGES))")
	@tail -n +2 coverage.race.out >>coverage.out
	@go tool cover -func coverage.out | tail -n 1

test-unit: ## the tests that need only Go and no root: all but those with real programs and network namespaces
	go test ./...
	@echo "Not run: the tests of $$(git grep -l '^//go:build.*realpeers' -- '*_test.go' | wc -l) files with the tag realpeers," \
	  "which need other programs and root. make test runs them."

release-check: ## build a release without publishing it: archives, packages and the image, installed and run
	scripts/release-check

release: ## publish the release of the tag that is checked out, as a draft, and push the image; .github/workflows/release.yml calls it
	scripts/release-tools
	IMAGE='$(IMAGE)' goreleaser release --clean

helm:
	@go version -m "$$(command -v helm)" 2>/dev/null | grep -qE '^\smod\shelm.sh/helm/v3\s$(HELM_VERSION)\s' || \
	  go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

chart: helm ## the Helm chart: rendered, linted, and decoded with the types of Kubernetes and the Prometheus operator
	cd charts/test && go vet ./... && go test -count=1 ./...

chart-golden: helm ## rewrite the chart's golden renderings and the plain Kubernetes example; read the diff
	cd charts/test && go test -count=1 -run '^TestGoldenRenderings$$' . -update

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

WORLDS ?= 1000
WORLDS_SEED := $(shell date +%s)
WORLDS_REPORT ?=
worlds: ## draw WORLDS new random worlds of each kind for the staleness proof; WORLDS_REPORT=docs/design/001-worlds.md
	@[ -z "$(WORLDS_REPORT)" ] || printf '# Worlds that were drawn for the staleness proof\n\n%s\n%s\n' \
	  'Generated by `make worlds WORLDS=$(WORLDS)`; the kinds are in `internal/staleness/worlds_test.go`.' \
	  'Commit $(shell git rev-parse --short HEAD), seeds from $(WORLDS_SEED).' >$(WORLDS_REPORT)
	go test -run '^TestWorlds' -count 1 -timeout 0 -v ./internal/staleness -worlds $(WORLDS) -first-seed $(WORLDS_SEED) \
	  $(if $(WORLDS_REPORT),-worlds-report $(abspath $(WORLDS_REPORT)))

bench: ## the benchmarks of docs/performance.md; compare runs with benchstat
	go test -tags realpeers -run '^$$' -bench . -benchmem -count 6 ./...

bench-clocks: ## compare the reported latencies with a packet capture, as root, and write the table of docs/performance.md
	go test -tags capture -run '^TestAccuracy$$' -count 1 -v ./internal/sockclock -document '$(CURDIR)/docs/performance.md'

SITES ?= 500
FLEETFLAGS ?=
fleet: ## a Prometheus with a day of SITES simulated sites, to look at the dashboards, until Ctrl-C; FLEETFLAGS=-fleet.sick=false
	go test -tags fleet -run '^$$' -bench Panels -timeout 0 ./dashboards/generate -fleet.sites $(SITES) -fleet.serve $(FLEETFLAGS)

fleet-bench: ## processor time and size of the answers of every panel of the dashboards, at SITES simulated sites over 24 hours
	go test -tags fleet -run '^$$' -bench Panels -benchtime 3x -timeout 0 -v ./dashboards/generate -fleet.sites $(SITES) $(FLEETFLAGS)

PAIRS ?= 9
PEERS ?= prometheus-blackbox-exporter,$(PEERS_BIN)/blackbox_exporter
PEERS_BIN ?= $(CURDIR)/.cache/peers/$(BLACKBOX_VERSION)
bench-peers: bench-clocks ## bench-clocks, and the processor time compared with blackbox_exporter, Debian's and $(BLACKBOX_VERSION), in PAIRS pairs; rewrites the tables of docs/performance.md
	test -x $(PEERS_BIN)/blackbox_exporter || \
	  GOBIN=$(PEERS_BIN) CGO_ENABLED=0 go install github.com/prometheus/blackbox_exporter@$(BLACKBOX_VERSION)
	go test -tags benchpeers -run '^TestBenchPeers$$' -count 1 -timeout 0 -v ./cmd/endpoint_exporter \
	  -peers.blackbox $(PEERS) -peers.pairs $(PAIRS) -peers.write $(CURDIR)/docs/performance.md

pictures: ## draw the README's pictures of check and check --watch, on a simulated site; as root, for port 443
	scripts/pictures

browser: ## open the status page in Chromium, 390 and 1280 pixels wide, light and dark, and draw its pictures for the README
	scripts/test-tools chromium:chromium
	go test -tags browser -run '^TestPageInBrowser$$|^TestPagePicture$$' -count 1 ./internal/present -pictures '$(CURDIR)/docs/images'

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

vulnerabilities: ## known vulnerabilities in what the programs call; it reads the database of vuln.go.dev
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...
