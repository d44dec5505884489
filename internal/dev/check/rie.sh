#!/bin/sh
# rie.sh RIE PYTHON: the functions as `make native` has built them, under AWS's own Runtime Interface Emulator: they start once, answer
# each invocation, and name their errors as Lambda shows them.
set -eu
rie=$1 python=$2
work=.build/rie
mkdir -p "$work"
emulator=
trap 'kill $emulator 2>/dev/null || true' EXIT

# function NAME: starts it; its addresses are free ones.
start() {
	ports=$("$python" -c 'import socket; a, b = socket.socket(), socket.socket(); a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0)); print(a.getsockname()[1], b.getsockname()[1])')
	port=${ports% *}
	env -i PATH="$PATH" AWS_LAMBDA_FUNCTION_NAME="cronbearer-$1" AWS_LAMBDA_FUNCTION_TIMEOUT=20 AWS_REGION=eu-west-1 \
		AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_ENDPOINT_URL=http://127.0.0.1:9 STACK_NAME=cronbearer \
		METRIC_NAMESPACE=Cronbearer SECRET_PREFIX=cronbearer/ ALLOWED_HOSTS=api.example.com \
		timeout 120 "$rie" --runtime-interface-emulator-address "127.0.0.1:$port" --runtime-api-address "127.0.0.1:${ports#* }" \
		"$PWD/.build/native/$1" >"$work/$1.log" 2>&1 &
	emulator=$!
}

# invoke EVENT ERRORTYPE
invoke() {
	"$python" - "http://127.0.0.1:$port/2015-03-31/functions/function/invocations" "$1" "$2" <<'PY' || { cat "$work"/*.log >&2; exit 1; }
import json, sys, time, urllib.error, urllib.request

url, event, want = sys.argv[1:]
for _ in range(120):
    try:
        with urllib.request.urlopen(url, data=event.encode(), timeout=60) as response:
            answer = json.load(response)
            break
    except urllib.error.URLError:
        time.sleep(0.25)
if answer.get("errorType") != want:
    sys.exit(f"{event} was answered with {answer}, not {want}")
PY
}

start caller
invoke '{"job":1}' InvalidJobError
invoke '{"job":"A","token":"T","secret":"s","call":"GET http://api.example.com/"}' InvalidJobError
kill "$emulator" && wait "$emulator" 2>/dev/null || true
start rotator
invoke '{"Step":"createSecret"}' RotationRefusedError
kill "$emulator" && wait "$emulator" 2>/dev/null || true
for name in caller rotator; do
	if [ "$(grep -c '"message":"start"' "$work/$name.log")" != 1 ]; then
		cat "$work/$name.log" >&2
		echo "$name did not start once" >&2
		exit 1
	fi
done
echo "AWS's Runtime Interface Emulator: both functions start once and name their errors"
