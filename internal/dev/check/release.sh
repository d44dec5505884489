#!/bin/sh
# release.sh BIN: a release that is built in two folders has the same bytes, what each function is deployed with is what `make build`
# has built, and both forms of the template are read by tools that others wrote. For one system: the workflow builds all.
set -eu
bin=$(cd "$1" && pwd)
. "$(dirname "$0")/aws.sh"
root=$PWD
first=$root/.build/release-check second=$root/.build/elsewhere/copy
system=$(go env GOHOSTOS)/$(go env GOHOSTARCH)
rm -rf "$root/.build/elsewhere"
. "$(dirname "$0")/copy.sh"
copy_tree "$second"
# The template is the user's, so what it calls its version is too.
cp internal/dev/shipped/template.yaml "$second/template.yaml"
build() { (cd "$second" && go run ./internal/dev/release -systems "$system" -tools "$bin" -out "$1"); }

build "$first"
mv "$second" "$second-2"
second=$second-2
build "$second/out"
if ! cmp "$first/SHA256SUMS" "$second/out/SHA256SUMS"; then
	diff "$first/SHA256SUMS" "$second/out/SHA256SUMS" >&2 || true
	exit 1
fi
(cd "$first" && sha256sum --check --strict --quiet SHA256SUMS)
echo "release: the same $(wc -l <"$first/SHA256SUMS" | tr -d ' ') files from two folders"

unzipped=$root/.build/release-template
rm -rf "$unzipped" && mkdir -p "$unzipped"
"$bin/python" -m zipfile -e "$first"/cronbearer-template_*.zip "$unzipped"
for name in Caller Rotator; do
	lower=$(echo $name | tr 'A-Z' 'a-z')
	mkdir "$unzipped/$lower" && "$bin/python" -m zipfile -e "$unzipped/$lower.zip" "$unzipped/$lower"
	cmp "$unzipped/$lower/bootstrap" ".build/lambda/$name/bootstrap"
done
"$bin/cfn-lint" --custom-rules internal/dev/check/cfn-lint.rules -- "$unzipped/template.yaml" "$first"/cronbearer-expanded_*.json
"$bin/sam" validate --lint --template "$first"/cronbearer-expanded_*.json >/dev/null
"$bin/python" internal/dev/check/release.py "$first" "$unzipped/template.yaml"
