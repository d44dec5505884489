#!/bin/sh
# build.sh BIN [BUILT]: `sam build` writes the bytes that `make build` has put into BUILT, for each function of the shipped
# template.
set -eu
bin=$1 built=${2:-.build/lambda}
. "$(dirname "$0")/aws.sh"

# SAM CLI copies the whole folder, and other checks may be writing to .build and .tools at this moment.
. "$(dirname "$0")/copy.sh"
copy_tree .build/sam
echo "sam build"
"$bin/sam" build --language-extensions --template internal/dev/shipped/template.yaml --base-dir .build/sam >.build/sam-build.log 2>&1 || { cat .build/sam-build.log >&2; exit 1; }
for file in .aws-sam/build/*/bootstrap; do
	name=$(basename "$(dirname "$file")")
	cmp "$file" "$built/$name/bootstrap"
	echo "$name: the same $(wc -c <"$file" | tr -d ' ') bytes from sam build and from make"
done
