#!/bin/sh
# fuzz.sh TIME: each fuzz test for TIME. `go test -fuzz` accepts one at a time.
set -eu
mkdir -p .build
go test -list '^Fuzz' ./... >.build/fuzz.txt
awk '/^Fuzz/ { names = names " " $1 }
	/^ok/ { n = split(names, f, " "); for (i = 1; i <= n; i++) print $2, f[i]; names = "" }' .build/fuzz.txt |
	while read -r package name; do
		echo "$package $name"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$package"
	done
