# Two targets do everything: `make run` (the main job) and `make test`.
SHELL := /bin/bash
GO    ?= go
TOOL  := $(GO) tool -modfile=.ci/tools.mod
PKGS  := ./...

# The data folder, events, split and fold of `make run`; empty: simulated learners.
DATA    ?=
EVENTS  ?=
SPLIT   ?=
FOLD    ?= 1
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help build run test unit race cover sim fuzz interop chaos deep bench lint fmt tidy-check check hooks vuln clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

build: ## the one static binary, bin/cohort
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/cohort ./cli/cohort

run: build ## a cluster in one process turns an event log into a tested model
	@exec bin/cohort demo --workers $(WORKERS) --fold $(FOLD) \
	  $(if $(DATA),--data-dir $(DATA)) $(if $(EVENTS),--events $(EVENTS)) $(if $(SPLIT),--split $(SPLIT))

test: race cover fuzz ## every test with the race detector, coverage, each decoder's fuzz target

race: ## every test, with the race detector
	$(GO) test -race -timeout 20m $(PKGS)

cover: ## statement coverage over all packages, at least 80 % (race's atomic counters would slow the kernels tenfold)
	$(GO) test -short -covermode=set -coverprofile=coverage.out -coverpkg=$$($(GO) list ./... | grep -vE '/(gen|cohort)$$' | paste -sd,) $(PKGS) > coverage.log || { cat coverage.log; exit 1; }
	@$(GO) run ./.ci/coverage -min 80 coverage.out

unit: ## every test, without the race detector
	$(GO) test $(PKGS)

sim: ## the simulated cluster's hour, with a seed of its own: make sim COHORT_SEED=7
	$(GO) test -run 'Simulat' -v ./coordinator/...

FUZZTIME ?= 20s
fuzz: ## each fuzz target for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

chaos: build ## three real processes, kill -9, one hash
	$(GO) test -count=1 -v -timeout 30m ./bench/chaos

interop: ## tests against outside programs (none yet)
	$(GO) test -tags interop ./...

deep: ## exhaustive 2^32 comparison of the elementary functions' paths
	COHORT_DEEP=1 $(GO) test -count=1 -timeout 60m -run 'Exhaustive' -v ./kernels/cpu

bench: ## benchmarks in Go's format
	$(GO) test -run '^$$' -bench . -benchtime 1s ./kernels/... ./dkt/... ./coordinator/... ./dataplane/... ./worker/...

lint: ## golangci-lint, pinned in .ci/tools.mod
	$(TOOL) golangci-lint run

fmt: ## gofumpt and goimports
	$(TOOL) golangci-lint fmt

tidy-check: ## go.mod and go.sum are as go mod tidy leaves them
	$(GO) mod tidy -diff

check: lint tidy-check test ## all that CI checks

hooks: ## use the hooks of .githooks
	git config core.hooksPath .githooks

vuln: ## known vulnerabilities (needs the vulnerability database)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

clean: ## remove what was built
	rm -rf bin coverage.out coverage.log
