GOLANGCI_LINT_VERSION := v2.15.0
GOBIN := $(shell go env GOPATH)/bin
export PATH := $(PATH):$(GOBIN):/usr/sbin:/sbin

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
PKG      := github.com/prometheus/common/version
LDFLAGS  := -s -w -X $(PKG).Version=$(VERSION) -X $(PKG).Revision=$(REVISION)

.PHONY: all build test test-unit lint generate fuzz bench tidy
all: build

build: ## build both programs into the current directory
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o . ./cmd/...

test: ## everything: unit tests, real peers, the whole exporter, with the race detector
	scripts/test-tools
	go vet -tags realpeers ./...
	go test -race -tags realpeers -timeout 20m ./...

test-unit: ## what needs no package but Go
	go test ./...

lint:
	@golangci-lint version --short 2>/dev/null | grep -qx '$(GOLANGCI_LINT_VERSION:v%=%)' || \
	  go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	golangci-lint run
