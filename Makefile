# Builds, tries, tests and deploys. `make` alone lists the targets.
#
# Everything but `check` and `deploy` needs Go and make only. Other tools are in .tools, pinned.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# .tools/bin, not PATH: the versions below are the ones that are used.
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
ACTIONLINT_VERSION := v1.7.12
# It has releases, but none that Go can install.
RIE_VERSION := v0.0.0-20261030222936-bef5c4ba774d
PYTHON ?= python3
FUZZTIME ?= 30s
# The user's; the project's own tests and checks read the copy in internal/dev/shipped.
TEMPLATE ?= template.yaml
# Of samconfig.toml, for make validate and make deploy.
ENV ?= default

FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
# Caller for functions/caller: the logical ids of template.yaml.
LAMBDAS := $(shell for f in $(FUNCTIONS); do echo $$f; done | awk '{ print toupper(substr($$0, 1, 1)) substr($$0, 2) }')

# The template's own build calls build-<LogicalId> on a copy of this directory: no version control there, another path.
# lambda.norpc leaves out the protocol of the go1.x runtime, which provided.al2023 does not use.
GOFLAGS_ALL := -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w"
GOBUILD := CGO_ENABLED=0 go build $(GOFLAGS_ALL)

VENV := .tools/venv
VENV_READY := $(VENV)/ready
EMULATOR := .tools/emulator
EMULATOR_READY := $(EMULATOR)/ready
JUDGES := .tools/judges
JUDGES_READY := $(JUDGES)/ready
# A linter built by an older Go rejects newer code, so Go's version is part of the name.
GOLANGCI_LINT := .tools/bin/golangci-lint-$(GOLANGCI_LINT_VERSION)-$(shell go env GOVERSION)

ACTIONLINT := .tools/bin/actionlint-$(ACTIONLINT_VERSION)
RIE := .tools/bin/aws-lambda-rie-$(RIE_VERSION)

# Every target below is a name, not a file.
.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

native: ## Build the functions for this machine, into .build/native
	@for f in $(FUNCTIONS); do echo ".build/native/$$f"; $(GOBUILD) -o .build/native/$$f ./functions/$$f || exit 1; done

build: $(LAMBDAS:%=build-%) ## Build the functions for Lambda (arm64), into .build/lambda

# `sam build` calls these, with ARTIFACTS_DIR set.
build-%:
	GOOS=linux GOARCH=arm64 $(GOBUILD) -o "$(or $(ARTIFACTS_DIR),.build/lambda/$*)/bootstrap" ./functions/$(shell echo $* | tr 'A-Z' 'a-z')

# The flags of the functions, so that nothing is compiled twice.
demo: native ## See a token die and recover, on this machine: no AWS account needed
	@CGO_ENABLED=0 go run $(GOFLAGS_ALL) ./internal/dev/demo

# The operator's tool, for users who have only Go and make: make plan ARGS='--since main'. `check` is make's own.
TOOL := dev new set remove runs render run check-jobs plan status failed resend drop pause resume backfill drill token rights import rehearse
.PHONY: $(TOOL)
$(TOOL):
	@go run ./infra/cronbearer $(@:-jobs=) $(ARGS)

validate: ## Check your template.yaml, or in TEMPLATE=<file>: a second
	@go run ./internal/dev/deploy -check -env $(ENV) -template $(TEMPLATE)

# Calculations without goroutines, which compare years of starts and thousands of templates: the race detector would find nothing in
# them, and take minutes. A test holds that they share nothing.
CALCULATIONS := $(addprefix ./,infra/cronbearer/internal/edit infra/cronbearer/internal/importer infra/cronbearer/internal/plan \
	infra/cronbearer/internal/when internal/dev/lint internal/dev/schedule)
PACKAGES = $(patsubst github.com/cronbearer/cronbearer%,.%,$(shell go list ./...))

# The race detector needs cgo, and so a C compiler. A machine without one still tests. Vet gets the same flag, so that nothing
# is compiled twice.
test: ## Run all tests: offline, with the race detector if there is a C compiler
	@mkdir -p .build/race && printf 'package main\n\nfunc main() {}\n' > .build/race/main.go; \
	race=-race; \
	if ! go run -race .build/race/main.go >/dev/null 2>&1; then \
		race=; echo "make test: without the race detector, which needs cgo and a C compiler"; \
	fi; \
	set -ex; go vet $$race ./...; go test -shuffle=on $(CALCULATIONS); go test $$race -shuffle=on $(filter-out $(CALCULATIONS),$(PACKAGES))

check: validate check-tree check-go check-docs check-template check-patterns check-judges check-build check-deploy check-wire check-rie check-release check-able check-interop ## Lint and verify everything: needs Python 3.10 or newer with venv

check-tree: # What git tracks: nothing specific to one machine, and no generated page that is out of date.
	@sh internal/dev/check/tree.sh
	@go run ./internal/dev/generate -check

check-go: $(GOLANGCI_LINT) # Modules, formatting, lint.
	go mod verify
	go mod tidy -diff
	$(GOLANGCI_LINT) fmt --diff
	$(GOLANGCI_LINT) run
	cd internal/dev/interop/zitadel && go mod verify && go mod tidy -diff && "$(CURDIR)/$(GOLANGCI_LINT)" run

check-docs: $(VENV_READY) $(ACTIONLINT) # Pages by markdownlint, their AWS CLI commands by botocore, workflows by actionlint.
	@sh internal/dev/check/docs.sh $(PYTHON) .tools/node .tools/markdown
	@go run ./internal/dev/check/commands | $(VENV)/bin/python internal/dev/check/awscli.py
	$(ACTIONLINT) .github/workflows/*.yml infra/github/*.yml

check-template: $(VENV_READY) # SAM CLI and cfn-lint on the shipped template, and our own reading of it against SAM CLI's.
	@sh internal/dev/check/template.sh $(VENV)/bin
	CRONBEARER_TEST_PYTHON=$(abspath $(VENV)/bin/python) go test -run PyYAML ./infra/cronbearer/internal/edit

check-patterns: # Event patterns by AWS's own engine, from Maven, pinned: where there is Java.
	@sh internal/dev/check/ruler.sh .tools/ruler

check-judges: $(JUDGES_READY) # Programs by others: checkov, cfn-lint-serverless, parliament, zizmor, aws-croniter, jsonschema.
	@$(JUDGES)/bin/python -W ignore internal/dev/check/judge.py

check-build: $(VENV_READY) build # `sam build` and `make build` produce the same bytes.
	@sh internal/dev/check/build.sh $(VENV)/bin

check-deploy: check-build $(EMULATOR_READY) # SAM CLI deploys the shipped template to a third-party emulator of AWS.
	@sh internal/dev/check/emulator.sh $(VENV)/bin $(EMULATOR)/bin

check-rie: native $(if $(filter Linux,$(shell uname)),$(RIE)) # The functions under AWS's own Runtime Interface Emulator, which needs Linux.
	@if [ -x "$(RIE)" ]; then sh internal/dev/check/rie.sh "$(RIE)" $(PYTHON); else echo "check-rie: only on Linux"; fi

check-release: check-build # A release has the same bytes from another folder, and its templates are valid.
	@sh internal/dev/check/release.sh $(VENV)/bin

check-wire: $(EMULATOR_READY) $(JUDGES_READY) # Each operation of the tool and the functions, in the SDK's own requests, by two emulators of AWS.
	@sh internal/dev/check/wire.sh $(EMULATOR)/bin $(JUDGES)/bin

# Not beside check-docs: both install Node.js if there is none.
check-interop: native check-docs # Tokens from two certified third-party authorization servers, from npm and Go's proxy, pinned.
	@sh internal/dev/check/interop.sh $(PYTHON) .tools/node .tools/interop/zitadel

check-fork: native # A fork's template, in a copy of the tree: validate, demo and the tests that read any template.
	@sh internal/dev/check/fork.sh

check-able: check-rie check-template check-build check-docs check-deploy check-release check-judges $(EMULATOR_READY) $(GOLANGCI_LINT) # Each check above fails when it should.
	@sh internal/dev/check/able.sh $(VENV)/bin $(GOLANGCI_LINT) $(EMULATOR)/bin $(ACTIONLINT) $(JUDGES)/bin $(RIE)

lint: $(GOLANGCI_LINT) ## Run the Go linters only
	$(GOLANGCI_LINT) run

fmt: $(GOLANGCI_LINT) ## Format the Go code
	$(GOLANGCI_LINT) fmt

copy: # After a change of the shipped template: the copy that tests and demo read.
	cp template.yaml internal/dev/shipped/template.yaml

generate: ## Write everything that is generated: pages, tables, diagrams, golden files
	@go run ./internal/dev/generate

fuzz: ## Run each fuzz test for FUZZTIME (30s)
	@sh internal/dev/check/fuzz.sh $(FUZZTIME)

# The same code as in make test, with larger numbers.
soak: ## Run 100,000 jobs under random faults, then a year of 1,000 jobs: half an hour
	go test -count 1 -v -timeout 6h -run '^(TestSoak|TestYear)$$' ./internal/dev/replay -soak 100000 -jobs 1000 -days 366

# FROM: what make fuzz and make soak printed before, in files, instead of another run.
figures: ## Fuzz, fault suite and soak, and their results in docs/robustness.md and README.md: an hour
	@go run ./internal/dev/figures -fuzz $(FUZZTIME) $(FROM)

faults: ## Try every fault on the functions with every kind of secret: half an hour
	go test -v -count=1 -timeout 2h -run 'Fault|Leak' ./internal/dev/faults -args -faults.all

bench: ## Measure the caller against other ways to do its job, and against its targets: 5 minutes
	@go run ./internal/dev/bench -memory 128

# VULNDB is a folder with a copy of the database, as https://go.dev/doc/security/vuln/database describes it, where there is no network.
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) $(if $(VULNDB),-db file://$(abspath $(VULNDB)))

vuln: vuln-sources vuln-binaries ## Check sources and binaries for known vulnerabilities, in Go's database or in VULNDB=<folder>

vuln-sources:
	$(GOVULNCHECK) ./...

# What is deployed: with the standard library that it was linked with.
vuln-binaries: build
	CGO_ENABLED=0 go build $(GOFLAGS_ALL) -o .build/native/cronbearer ./infra/cronbearer
	set -e; for f in $(LAMBDAS:%=.build/lambda/%/bootstrap) .build/native/cronbearer; do echo "$$f"; $(GOVULNCHECK) -mode binary $$f; done

release: $(VENV_READY) ## Build what a release publishes into .build/release, with VERSION=1.2.0 that of a tag
	@go run ./internal/dev/release $(if $(VERSION),-version "$(VERSION)") -out .build/release -tools $(VENV)/bin
	@ls .build/release

deploy: ## Deploy to your AWS account, with ENV=<name> another environment of samconfig.toml: needs SAM CLI 1.160 or newer
	@go run ./internal/dev/deploy -env $(ENV) -tools $(VENV)/bin -template $(TEMPLATE)

sam: $(VENV_READY) ## Install SAM CLI and cfn-lint, pinned, into .tools/venv/bin: needs Python only

tools: $(VENV_READY) $(EMULATOR_READY) $(JUDGES_READY) $(GOLANGCI_LINT) $(ACTIONLINT) # Everything that `check` installs.

$(VENV_READY): internal/dev/check/requirements.txt internal/dev/check/venv.sh
	@sh internal/dev/check/venv.sh $(PYTHON) $(VENV) $<

# Separate from SAM CLI: the two need different versions of botocore.
$(EMULATOR_READY): internal/dev/check/emulator.txt internal/dev/check/venv.sh
	@sh internal/dev/check/venv.sh $(PYTHON) $(EMULATOR) $<

# Separate again: checkov pins what SAM CLI has newer.
$(JUDGES_READY): internal/dev/check/judges.txt internal/dev/check/venv.sh
	@sh internal/dev/check/venv.sh $(PYTHON) $(JUDGES) $<

$(GOLANGCI_LINT):
	@echo "building golangci-lint $(GOLANGCI_LINT_VERSION): once, a few minutes"
	@mkdir -p $(@D)
	GOBIN="$(CURDIR)/$(@D)" CGO_ENABLED=0 go install -trimpath github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(@D)/golangci-lint $@

$(RIE):
	@mkdir -p $(@D)
	GOBIN="$(CURDIR)/$(@D)" CGO_ENABLED=0 go install -trimpath github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie@$(RIE_VERSION)
	@mv $(@D)/aws-lambda-rie $@

$(ACTIONLINT):
	@mkdir -p $(@D)
	GOBIN="$(CURDIR)/$(@D)" CGO_ENABLED=0 go install -trimpath github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	@mv $(@D)/actionlint $@

clean: ## Remove what was built; the tools stay
	rm -rf .build .aws-sam
