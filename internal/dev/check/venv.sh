#!/bin/sh
# venv.sh PYTHON VENV PINS: what PINS pins from PyPI, in an environment of its own. `make` calls it when the pins change.
set -eu
python=$1 venv=$2 pins=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
	version=$("$python" --version 2>/dev/null) || version="not there"
	echo "make check needs Python 3.10 or newer with venv; $python is $version." >&2
	echo "Install it, or name another one: make check PYTHON=python3.12" >&2
	exit 1
fi
# Debian splits venv off; without ensurepip it makes half an environment.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
	echo "make check needs Python's venv, which $python lacks. On Debian and Ubuntu: apt-get install python3-venv" >&2
	exit 1
fi

echo "installing what $pins pins into $venv: once, half a minute or so"
rm -rf "$venv"
"$python" -m venv "$venv"
# The pins are the whole closure, so nothing is resolved; most of it is never imported, so nothing is compiled.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement "$pins"
"$venv/bin/python" -m pip --disable-pip-version-check check
touch "$venv/ready"
