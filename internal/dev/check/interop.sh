#!/bin/sh
# interop.sh PYTHON NODE SERVER: the interoperability checks, with the machine's Node.js or one from PyPI in the folder NODE.
# The second server is a module of its own, pinned by its go.sum, and is built as the file SERVER.
set -eu
python=$1 node=$2 server=$3
mkdir -p "$(dirname "$server")"
CGO_ENABLED=0 go build -C internal/dev/interop/zitadel -trimpath -o "$PWD/$server" .
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
go run ./internal/dev/interop -zitadel "$server"
