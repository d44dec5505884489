#!/bin/sh
# interop.sh PYTHON NODE SERVER: the interoperability checks, with the machine's Node.js or one from PyPI in the folder NODE.
# The second server is a module of its own, pinned by its go.sum, and is built as the file SERVER.
set -eu
python=$1 node=$2 server=$3
mkdir -p "$(dirname "$server")"
CGO_ENABLED=0 go build -C internal/dev/interop/zitadel -trimpath -o "$PWD/$server" .
. "$(dirname "$0")/node.sh"
go run ./internal/dev/interop -zitadel "$server"
