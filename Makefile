# One line a target; `make help` lists them.
.DEFAULT_GOAL := help
export CGO_ENABLED := 0
GOBUILD := go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w"

.PHONY: help native
help: ## Show this help
	@grep -hE '^[a-zA-Z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

native: ## Build the functions for this machine
	$(GOBUILD) -o .build/native/caller ./functions/caller
