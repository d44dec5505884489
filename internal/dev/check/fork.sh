#!/bin/sh
# fork.sh [full]: the template belongs to the user. A copy of this tree gets the template of a fork (other names, more tokens
# and jobs, added resources, tags, a boundary), and what a fork's CI runs must be green there. Without `full` that is `make
# validate`, `make demo`, the tests that read any template, and the check of the tracked files: a minute. With it, all of
# `make test` and `make check`: .github/workflows/ci.yml does.
set -eu
root=$PWD
copy=$root/.build/fork
. "$(dirname "$0")/copy.sh"
copy_tree "$copy"
go run ./internal/dev/check/fork >"$copy/template.yaml"
# What `sam deploy --guided` has saved.
cat >>"$copy/samconfig.toml" <<'TOML'
parameter_overrides = "AllowedHosts=\"*.cronbearer.dev\" LogRetentionDays=\"30\""

[prod.deploy.parameters]
stack_name = "billing-prod"
TOML
mkdir -p "$root/.tools" && ln -s "$root/.tools" "$copy/.tools"
cd "$copy"
git init -q . && git add -A
# A fork is not upstream, no matter who runs this.
unset UPSTREAM

step() {
	echo "the fork: $*"
	if ! "$@" >"$root/.build/fork.log" 2>&1; then
		cat "$root/.build/fork.log" >&2
		echo "the fork: $* failed" >&2
		exit 1
	fi
}
step make validate
step make demo
if [ "${1:-}" = full ]; then
	step make test
	step make check
	exit 0
fi
step go test ./internal/dev/shipped ./internal/dev/lint/... ./internal/dev/cfn ./internal/dev/notifications ./docs
step sh internal/dev/check/tree.sh
# And a mistake in it is caught.
sed 's/Token: Warehouse,/Token: Warhouse,/' template.yaml >mistaken.yaml
if make validate TEMPLATE=mistaken.yaml >"$root/.build/fork.log" 2>&1 || ! grep -q 'did you mean Warehouse' "$root/.build/fork.log"; then
	cat "$root/.build/fork.log" >&2
	echo "the fork: make validate did not catch a misspelt token" >&2
	exit 1
fi
