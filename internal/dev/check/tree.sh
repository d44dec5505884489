#!/bin/sh
# tree.sh: what git tracks belongs to no machine and no registry, and what the documents name is there.
set -u
if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	echo "no git here: the tracked files are not looked at"
	exit 0
fi
status=0
fail() {
	echo "$1" >&2
	status=1
}

# refuse WHAT PATTERN PATHSPEC…: no tracked text may match. What belongs to the user may, if it is no key. Each pattern is
# written so that it does not match itself.
refuse() {
	what=$1 pattern=$2
	shift 2
	[ "$what" = "an access key" ] || set -- "$@" ':!/template.yaml' ':!/samconfig.toml'
	if found=$(git grep -nIE -e "$pattern" -- "$@"); then
		fail "$what:
$found"
	fi
}
refuse "a partition is written out; use \${AWS::Partition}" 'arn:aws[:]' '*.yaml' '*.yml' '*.toml' functions internal ':!internal/dev' ':!*_test.go' ':!*/testdata/*'
refuse "a registry is named; the clients know theirs" '(pypi|pythonhosted|npmjs)[.]org|registry[.]npmjs|proxy[.]golang[.]org|crates[.]io|deb[.]debian[.]org' .
refuse "a path of one machine" '(^|[^A-Za-z0-9_.$}-])/(work|root|Users)/[A-Za-z]|/home/[a-z]+/' . ':!LICENSE'
refuse "a merge that was not finished" '^(<{7}|>{7}|={7}$)' .
refuse "a white space at the end of a line" '[ 	]+$' . ':!LICENSE' ':!*.golden'
refuse "an access key" 'AKIA[0-9A-Z]{15}[0-9A-DF-Z]' .

# What the documents tell people to type must exist.
documents=$(git ls-files '*.md')
targets=$(sed -nE 's/^([a-z-]+)( [a-z-]+)*:.*/\1/p' Makefile)
for target in $(grep -ohE '(^|`|&& )make [a-z][a-z-]*' $documents | sed -E 's/.*make //' | sort -u); do
	echo "$targets" | grep -qx "$target" || fail "a document says make $target, which the Makefile does not know"
done
for path in $(grep -ohE 'go (run|test|build) (-[^ ]+ )*\./[A-Za-z0-9_/.-]+' $documents | sed -E 's/.* //; s/[.]+$//; s,/$,,' | sort -u); do
	[ -e "$path" ] || fail "a document names $path, which is not there"
done
for path in $(grep -ohE '(^|[^/A-Za-z0-9_.-]|file://)(events|infra|docs|functions|internal)/[A-Za-z0-9_/.-]+' $documents |
	sed -E 's,^(file://|[^a-z]),,; s/[.]+$//; s,/$,,' | sort -u); do
	[ -e "$path" ] || fail "a document names $path, which is not there"
done
# Links of one document to another.
for document in $documents; do
	for link in $(grep -oE '\]\([^)# ]+' "$document" | sed 's/^](//' | grep -vE '^(https?:|mailto:)'); do
		[ -e "$(dirname "$document")/$link" ] || fail "$document links to $link, which is not there"
	done
done
[ "$status" -eq 0 ] && echo "tracked files: nothing of one machine, and what the documents name is there"
exit "$status"
