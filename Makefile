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
.PHONY: help build run test unit race cover sim quarter fuzz interop chaos live deep bench micro benchcmp bench-peers lint fmt tidy-check check hooks vuln clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

build: ## the one static binary, bin/cohort
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/cohort ./cli/cohort

run: build ## the whole pipeline in one process: an event log becomes a deployed model that answers
	@exec bin/cohort demo --workers $(WORKERS) --fold $(FOLD) \
	  $(if $(DATA),--data-dir $(DATA)) $(if $(EVENTS),--events $(EVENTS)) $(if $(SPLIT),--split $(SPLIT))

test: race cover fuzz ## every test, most also with the race detector; coverage; each decoder's fuzz target

race: ## tests with the race detector, but those that train for long: it makes training twenty times as slow
	$(GO) test -race -short -timeout 40m $(PKGS)

cover: ## every test, and statement coverage over all packages, at least 80 %
	$(GO) test -timeout 40m -covermode=set -coverprofile=coverage.out -coverpkg=$$($(GO) list ./... | grep -vE '/(gen|cohort)$$' | paste -sd,) $(PKGS) > coverage.log || { cat coverage.log; exit 1; }
	@$(GO) run ./.ci/coverage -min 80 coverage.out

unit: ## every test, without the race detector
	$(GO) test $(PKGS)

sim: ## the simulated cluster's hour and quarter, with a seed of its own: make sim COHORT_SEED=7
	$(GO) test -run 'Simulat' -v ./coordinator/...

FUZZTIME ?= 10s
fuzz: ## each fuzz target for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

QUARTERS ?= 20
quarter: ## QUARTERS simulated quarters of weekly retraining beside keeping the first model; takes a COHORT_SEED
	COHORT_QUARTERS=$(QUARTERS) $(GO) test -count=1 -timeout 120m -run 'TestQuartersOfRetraining' -v ./coordinator

chaos: build ## real processes, kill -9: one hash, no request failed, no attempt lost
	$(GO) test -count=1 -v -timeout 30m ./bench/chaos

# Requests a second of `make live`.
RATE ?= 1000
live: build ## the serving part of chaos at full rate: make live RATE=2000
	COHORT_LIVE_RATE=$(RATE) $(GO) test -count=1 -v -timeout 30m -run 'Serving|Attempts' ./bench/chaos

interop: ## tests against real PostgreSQL, Kafka, S3, Prometheus, Optuna, onnxruntime and MLflow, which it installs (Debian, root): make interop EVENTS=2000000
	@COHORT_INTEROP_EVENTS=$(EVENTS) .ci/interop/run

deep: ## exhaustive 2^32 comparison of the elementary functions' paths
	COHORT_DEEP=1 $(GO) test -count=1 -timeout 60m -run 'Exhaustive' -v ./kernels/cpu

# Where `make bench` keeps its lines, and what `make benchcmp` compares.
RESULT ?= bench/results/$(shell date +%F)-$(shell hostname -s).txt
OLD    ?=
NEW    ?=
HIDDEN ?= 100,200,256
COUNT  ?= 5
LOG    = $(if $(EVENTS),--events $(EVENTS)) $(if $(SPLIT),--split $(SPLIT) --fold $(FOLD))

bench: build ## kernels, training and data plane beside the machine's own limits; kept under bench/results
	@set -o pipefail; { bin/cohort bench kernels --hidden $(HIDDEN) --count $(COUNT) && \
	  bin/cohort bench train --hidden $(HIDDEN) --count $(COUNT) $(LOG) && bin/cohort bench data --count $(COUNT); } | tee $(RESULT)

micro: ## Go benchmarks of single packages
	$(GO) test -run '^$$' -bench . -benchtime 1s ./kernels/... ./dkt/... ./coordinator/... ./dataplane/... ./worker/...

benchcmp: ## compare two results: make benchcmp OLD=bench/results/a.txt NEW=bench/results/b.txt
	@$(TOOL) benchstat $(OLD) $(NEW)

# The competitors, from Debian. OpenBLAS on OpenMP serves PyTorch best: with its
# own threads beside PyTorch's it takes twice as long, without it twenty times.
BLAS ?= openmp
PEERS = python3-torch python3-numpy libopenblas0-$(BLAS) libdnnl-dev g++

bench-peers: build ## race PyTorch and oneDNN on the same batches; installs them (Debian, root)
	@dpkg -s $(PEERS) > /dev/null 2>&1 || apt-get install -y --no-install-recommends $(PEERS)
	g++ -O3 -march=native -fopenmp -std=c++17 -o bench/peers/onednn bench/peers/onednn.cpp -ldnnl
	@LD_LIBRARY_PATH=/usr/lib/$$(uname -m)-linux-gnu/openblas-$(BLAS) bin/cohort bench peers --count $(COUNT) $(LOG)

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
