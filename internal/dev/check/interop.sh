#!/bin/sh
# interop.sh PYTHON NODE: the interoperability checks, with the machine's Node.js or one from PyPI in the folder NODE.
set -eu
python=$1 node=$2
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
	if [ ! -f "$node/ready" ]; then
		echo "installing Node.js into $node, as this machine has none: once"
		rm -rf "$node"
		"$python" -m venv "$node"
		"$node/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$(dirname "$0")/node.txt"
		touch "$node/ready"
	fi
	PATH=$(cd "$node/bin" && pwd):$PATH
	export PATH
fi
go run ./internal/dev/interop
