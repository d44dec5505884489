#!/bin/sh
# fuzz.sh TIME [PATTERN]: each fuzz test for TIME, and how many inputs it tried. `go test -fuzz` accepts one at a time. A
# test that fails does not stop the others; its input is kept below testdata/fuzz, where plain `go test` runs it again.
set -eu
mkdir -p .build
go test -list "^Fuzz.*${2:-}" ./... >.build/fuzz.txt
awk '/^Fuzz/ { names = names " " $1 }
	/^ok/ { n = split(names, f, " "); for (i = 1; i <= n; i++) if ($2 !~ /dev\/mutate$/) print $2, f[i]; names = "" }' .build/fuzz.txt >.build/fuzzed.txt
tests=0 inputs=0 failed=0
while read -r package name; do
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$package" >.build/fuzz.txt 2>&1 </dev/null; then
		result=ok
	else
		result=FAIL failed=$((failed + 1))
		cat .build/fuzz.txt
	fi
	n=$(sed -n 's/^fuzz: elapsed: .*, execs: \([0-9]*\) .*/\1/p' .build/fuzz.txt | tail -n 1)
	tests=$((tests + 1)) inputs=$((inputs + ${n:-0}))
	echo "$result ${package#*/cronbearer/} $name: ${n:-0} inputs"
done <.build/fuzzed.txt
echo "$tests fuzz tests, $failed failed"
echo "figure: inputs fuzzed: $inputs"
[ "$tests" -gt 0 ] && [ "$failed" -eq 0 ]
