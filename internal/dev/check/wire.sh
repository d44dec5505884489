#!/bin/sh
# wire.sh EMULATOR JUDGES: the tool and the functions make each of their requests to ministack, of EMULATOR, and to moto, of JUDGES.
set -eu
emulator=$1 judges=$2
. "$(dirname "$0")/aws.sh"
work=.build/wire
rm -rf "$work" && mkdir -p "$work"

. "$(dirname "$0")/listening.sh"
ports=$("$emulator/python" -c 'import socket; a, b = socket.socket(), socket.socket(); a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0)); print(a.getsockname()[1], b.getsockname()[1])')
first=${ports% *} second=${ports#* }
BIND_HOST=127.0.0.1 GATEWAY_PORT=$first MINISTACK_REGION=eu-west-1 MINISTACK_ACCOUNT_ID=123456789012 TMPDIR=$PWD/$work \
	"$emulator/ministack" >"$work/ministack.log" 2>&1 &
ministack=$!
MOTO_ACCOUNT_ID=123456789012 "$judges/moto_server" -H 127.0.0.1 -p "$second" >"$work/moto.log" 2>&1 &
moto=$!
trap 'kill "$ministack" "$moto" 2>/dev/null' EXIT
listening 60 "$emulator/python" "$first" "$ministack" "$work/ministack.log"
listening 60 "$emulator/python" "$second" "$moto" "$work/moto.log"
CRONBEARER_TEST_EMULATORS=ministack=http://127.0.0.1:$first,moto=http://127.0.0.1:$second \
	go test -count=1 ./infra/cronbearer ./internal/dev/faults -run '^(TestWire|TestEachOperationIsOnAWire|TestFunctionsWire)$'
