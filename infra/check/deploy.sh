#!/bin/sh
# deploy.sh BIN: builds and deploys, after the checks whose failure would cost a half-made stack. BIN/sam is used if
# `make sam` has put one there, else the one on PATH; SAM names another.
set -eu
if [ -z "${SAM:-}" ]; then
	SAM=sam
	if [ -x "$1/sam" ]; then SAM=$1/sam; fi
fi
if ! version=$("$SAM" --version 2>/dev/null); then
	echo "make deploy needs SAM CLI 1.160 or newer. Install it, or run make sam first, which needs Python only." >&2
	exit 1
fi
version=${version##* }
minor=${version#*.}
minor=${minor%%.*}
if [ "${version%%.*}" -eq 1 ] && [ "$minor" -lt 160 ]; then
	echo "make deploy needs SAM CLI 1.160 or newer, which knows the loops of template.yaml; this is $version. Update it, or run make sam first." >&2
	exit 1
fi
echo "SAM CLI $version"

# What `sam deploy --guided` saved the first time.
saved() { sed -nE "s/^$1 *= *\"(.*)\"\$/\1/p" samconfig.toml | head -n 1; }
stack=$(saved stack_name)
hosts=$(saved parameter_overrides | sed -nE 's/.*AllowedHosts=(\\")?([^"\\ ]*).*/\2/p')
guided=
if [ -z "$hosts" ]; then
	guided=--guided
	# It will be asked for; this stands for the answer meanwhile.
	hosts=not.yet.known
fi
if ! go run ./infra/templatecheck -deploy -stack "${stack:-cronbearer}" -parameter "AllowedHosts=$hosts" template.yaml; then
	echo "not deployed: mend template.yaml first" >&2
	exit 1
fi
"$SAM" build
exec "$SAM" deploy $guided
