#!/bin/sh
# fuzz.sh TIME [PATTERN]: each fuzz test for TIME, and how many inputs it tried. `go test -fuzz` accepts one at a time. A
# test that fails does not stop the others; its input is kept below testdata/fuzz, where plain `go test` runs it again.
# fuzz.sh list [PATTERN]: the names only.
set -eu
tests() { # All but those of the package that tries fuzz tests themselves.
	find . -name '*_test.go' ! -path './.*' ! -path '*/testdata/*' ! -path './internal/dev/mutate/*' \
		-exec grep -H '^func Fuzz' {} + | sed 's|/[^/]*:func \(Fuzz[A-Za-z0-9_]*\).*| \1|' | grep "${1:-}" | LC_ALL=C sort
}
if [ "$1" = list ]; then
	tests "${2:-}"
	exit
fi
mkdir -p .build
tests "${2:-}" >.build/fuzzed.txt
count=0 inputs=0 failed=0
while read -r package name; do
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$package" >.build/fuzz.txt 2>&1 </dev/null; then
		result=ok
	elif grep -q '^    context deadline exceeded' .build/fuzz.txt && ! grep -q 'Failing input' .build/fuzz.txt; then
		result=ok # the time was up while an input was tried (golang/go#75804, fixed in 1.27): no failure
	else
		result=FAIL failed=$((failed + 1))
		cat .build/fuzz.txt
	fi
	n=$(sed -n 's/^fuzz: elapsed: .*, execs: \([0-9]*\) .*/\1/p' .build/fuzz.txt | tail -n 1)
	count=$((count + 1)) inputs=$((inputs + ${n:-0}))
	echo "$result $package $name: ${n:-0} inputs"
done <.build/fuzzed.txt
echo "figures: fuzz tests $count"
echo "figures: fuzz tests that failed $failed"
echo "figures: inputs fuzzed $inputs"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
