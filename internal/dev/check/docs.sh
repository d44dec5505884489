#!/bin/sh
# docs.sh PYTHON NODE LINTER [PAGE…]: lints the pages that git tracks with markdownlint, which npm installs into the folder
# LINTER as its lock file pins it. What pages name, link to and show is held by go test ./docs, without a network.
set -eu
python=$1 node=$2 linter=$3
shift 3
here=$(dirname "$0")
. "$here/node.sh"
if ! cmp -s "$here/markdown/package-lock.json" "$linter/ready"; then
	echo "installing markdownlint into $linter: once"
	rm -rf "$linter"
	mkdir -p "$linter"
	cp "$here/markdown/package.json" "$here/markdown/package-lock.json" "$here/markdown/.npmrc" "$linter"
	(cd "$linter" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	cp "$here/markdown/package-lock.json" "$linter/ready"
fi
[ $# -gt 0 ] || set -- '**/*.md' '#.tools' '#.build' '#.aws-sam' '#.github' '#**/node_modules' '#**/testdata'
"$linter/node_modules/.bin/markdownlint-cli2" --config "$here/markdown/.markdownlint-cli2.jsonc" "$@"
