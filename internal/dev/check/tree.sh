#!/bin/sh
# tree.sh: what git tracks belongs to no machine and no registry. What documents name is checked by go test ./docs.
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

# reject WHAT PATTERN PATHSPEC…: no tracked text may match. What belongs to the user may, if it is not a key. Each pattern is
# written so that it does not match itself.
reject() {
	what=$1 pattern=$2
	shift 2
	[ "$what" = "an access key" ] || set -- "$@" ':!/template.yaml' ':!/samconfig.toml'
	if found=$(git grep -nIE -e "$pattern" -- "$@"); then
		fail "$what:
$found"
	fi
}
reject "a partition is written out; use \${AWS::Partition}" 'arn:aws[:]' '*.yaml' '*.yml' '*.toml' functions internal ':!internal/dev' ':!*_test.go' ':!*/testdata/*'
reject "a registry is named; the clients know theirs" '(pypi|pythonhosted|npmjs)[.]org|registry[.]npmjs|proxy[.]golang[.]org|crates[.]io|deb[.]debian[.]org' .
reject "a path of one machine" '(^|[^A-Za-z0-9_.$}-])/(work|root|Users)/[A-Za-z]|/home/[a-z]+/' . ':!LICENSE'
reject "a merge that was not finished" '^(<{7}|>{7}|={7}$)' .
reject "a white space at the end of a line" '[ 	]+$' . ':!LICENSE' ':!*.golden' ':!*.txtar'
reject "an access key" 'AKIA[0-9A-Z]{15}[0-9A-DF-Z]' .

[ "$status" -eq 0 ] && echo "tracked files: nothing of one machine"
exit "$status"
