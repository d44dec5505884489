#!/bin/sh
# ruler.sh LIB: AWS's own engine, which Maven installs into LIB as ruler/pom.xml pins it, matches events of alarms with the event
# patterns of the templates, as the tests of package notifications expect. For those who have Java and Maven.
set -eu
lib=$1
here=$(dirname "$0")
if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
	echo 'note: no Java or no Maven, so that the patterns are not tried by AWS'"'"'s own engine'
	exit 0
fi
if ! cmp -s "$here/ruler/pom.xml" "$lib/ready"; then
	echo "installing AWS's event-ruler into $lib: once"
	rm -rf "$lib"
	mvn -q -B -C -f "$here/ruler/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DoutputDirectory="$(pwd)/$lib"
	cp "$here/ruler/pom.xml" "$lib/ready"
fi
mkdir -p .build/check
go test -count=1 ./internal/dev/notifications -run TestDocumentedEventsReachTheirRule -cases "$(pwd)/.build/check/patterns.json"
java -cp "$lib/*" "$here/ruler/Judge.java" .build/check/patterns.json
