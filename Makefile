# parley: 'make run' to talk, 'make test' before a change is handed in, 'make check' while writing it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
GO ?= go

help:
	@echo 'make run     install what is missing, build, fetch the models, serve the page on this computer'
	@echo 'make build   bin/parley'
	@echo 'make check   the fast tests: no models, no browser, no other programs'
	@echo 'make test    everything: linters, race detector, models, browser, first conversation'

run: setup-run build
	bin/parley serve $(ARGS)

setup-%:
	@deploy/setup $*

# The page is bundled once and embedded in the binary.
PAGE := web/page/dist/index.html
PAGE_SOURCES := $(shell find web/page -path web/page/node_modules -prune -o -path web/page/dist -prune -o -type f -not -name '*.go' -print)

web/page/node_modules/.done: web/page/package.json web/page/package-lock.json
	cd web/page && npm ci --no-audit --no-fund --loglevel=error
	touch $@

$(PAGE): web/page/node_modules/.done $(PAGE_SOURCES)
	cd web/page && npm run --silent build
	touch $@

page: $(PAGE)

build: $(PAGE)
	$(GO) build -o bin/parley ./cmd/parley

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

check: setup-check
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) test -p 3 -short ./...

# What a contributor needs. The small language model is enough for the tests.
# Two halves of ./...: waiting are the packages whose tests wait more than they work, and measure nothing that others could disturb.
waiting = ./agent/... ./deploy/... ./docs/... ./internal/... ./llm/... ./stt/... ./tts/...
measuring = ./cmd/... ./media/... ./web/...

test: setup-test build lint
	cd web/page && npm test --silent
	bin/parley models fetch --llm small
	@echo '— with the race detector'
	$(GO) test -race -short ./...
	@echo '— with models and speech'
	$(GO) test -p 3 -timeout 20m $(waiting) | tee bin/test.log
	@echo '— with a browser and whole calls, a package at a time: they measure'
	$(GO) test -p 1 -timeout 20m $(measuring) | tee -a bin/test.log
	@echo '— 500 callers who come and go'
	bin/parley bench churn --calls 500
	@echo '— the ten slowest packages'
	@awk '$$1 == "ok" && $$3 ~ /s$$/ { print $$3 + 0 "s", $$2 }' bin/test.log | sort -rn | head

# Known vulnerabilities in what we build on. It asks a database on the internet, so it is not part of test.
audit:
	$(GO) tool govulncheck ./...

clean:
	rm -rf bin web/page/node_modules web/page/dist/*

.PHONY: help run page build lint check test audit clean
