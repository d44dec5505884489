#!/bin/sh
# able.sh BIN LINTER EMULATOR ACTIONLINT JUDGES RIE: shows that the other checks can fail. Each gets a copy of the tree with one
# mistake in it, and must say so: a check that cannot fail proves nothing.
set -u
bin=$(cd "$1" && pwd) linter=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") emulator=$(cd "$3" && pwd)
actionlint=$(cd "$(dirname "$4")" && pwd)/$(basename "$4")
judges=$(cd "$5" && pwd)
root=$PWD
copy=$root/.build/able
. "$(dirname "$0")/copy.sh"
copy_tree "$copy"
cd "$copy" || exit 1
git init -q . && git add -A
status=0

# caught WORD COMMAND…: the command must fail, and its words must hold WORD.
caught() {
	word=$1
	shift
	if "$@" >"$root/.build/able.log" 2>&1; then
		echo "not caught: $word, by $*" >&2
		status=1
	elif ! grep -q -- "$word" "$root/.build/able.log"; then
		echo "failed for another reason than $word: $*" >&2
		cat "$root/.build/able.log" >&2
		status=1
	else
		echo "caught: $word"
	fi
}

# mistake FILE TEXT INSTEAD: one mistake in a file, which `restore` undoes.
mistake() {
	cp "$root/$1" "$1"
	sed "s|$2|$3|" "$1" >"$1.new" && mv "$1.new" "$1"
	if cmp -s "$root/$1" "$1"; then
		echo "$1 no longer holds $2" >&2
		status=1
	fi
}
restore() { cp "$root/$1" "$1"; }

# The shipped template, by each of its readers. The user's own may be anything.
template=internal/dev/shipped/template.yaml
mistake $template 'rate(1 hour)' 'rate(1 week)'
caught E9 "$bin/cfn-lint" --custom-rules internal/dev/check/cfn-lint.rules -- $template
caught HourlySync go run ./infra/cronbearer check -t $template
mistake $template 'cron(0 9 ? ' 'cron(0 9 * '
caught E9 "$bin/cfn-lint" --custom-rules internal/dev/check/cfn-lint.rules -- $template
mistake $template 'Timezone: Europe/London' 'Timezone: London'
caught E9 "$bin/cfn-lint" --custom-rules internal/dev/check/cfn-lint.rules -- $template
mistake $template 'TreatMissingData: ignore' 'TreatMissingDate: ignore'
caught TreatMissingDate env SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 __SAM_CLI_APP_DIR="$root/.tools/sam" "$bin/sam" validate --lint --language-extensions --template $template
mistake $template 'ExampleApi: { Secret' 'ExampleAPI: { Secret'
caught ExampleAPI go run ./infra/cronbearer check -t $template
mistake $template '!GetAtt Caller.Arn' '!GetAtt Called.Arn'
caught Called "$bin/cfn-lint" -- $template
restore $template
sed 's/"ScheduleExpression": "rate(1 hour)"/"ScheduleExpression": "rate(2 hours)"/' "$root/.build/check/expanded-defaults.json" >expanded.json
caught 'rate(2 hours)' go run ./infra/cronbearer check -t $template --parameter AllowedHosts=api.example.com --same-as expanded.json
rm expanded.json
caught 'is an example' go run ./infra/cronbearer check -t $template --deploy --parameter AllowedHosts=a.b

# What CI may do is what the resources need, no less and no more.
mistake infra/deployer.yaml 'sqs:SetQueueAttributes' 'sqs:PurgeQueue'
caught 'lacks sqs:SetQueueAttributes' "$bin/python" internal/dev/check/deployer.py "$root/.build/check/expanded-everything.json" infra/deployer.yaml
caught 'has sqs:PurgeQueue' "$bin/python" internal/dev/check/deployer.py "$root/.build/check/expanded-everything.json" infra/deployer.yaml
restore infra/deployer.yaml

# The copy that the tests read, in the project's own CI.
echo '# changed' >>template.yaml
caught 'run make copy' env UPSTREAM=1 go test -count=1 ./internal/dev/shipped
restore template.yaml

# The page that is made from the template.
mistake $template 'Description: CloudWatch Logs deletes' 'Description: Amazon deletes'
caught 'run make generate' go run ./internal/dev/generate -check
restore $template

# The pages: their Markdown, a link's form, a command that no test runs, one that is not there; and the workflows.
mistake README.md '^## Alarms' '#### Alarms'
caught MD001 sh internal/dev/check/docs.sh "$bin/python" "$root/.tools/node" "$root/.tools/markdown" README.md
restore README.md
echo '[us](http://example.com/?utm_source=docs)' >>docs/costs.md
mistake docs/operating.md '# needs an AWS account' '# once'
go test -count=1 ./docs -run 'TestPagesNameWhatIsThere|TestEachCommandIsRunOrMarked' >"$root/.build/pages.log" 2>&1
mistake docs/operating.md 'cronbearer status$' 'cronbearer state'
go test -count=1 ./infra/cronbearer/internal/cli -run TestPagesShowCommandsThatScriptsRun >>"$root/.build/pages.log" 2>&1
mistake docs/uninstalling.md 'restore-secret' 'undelete-secret'
mistake infra/rotation.yaml 'aws logs tail' 'aws logs tall'
go run ./internal/dev/check/commands | "$bin/python" internal/dev/check/awscli.py >>"$root/.build/pages.log" 2>&1
for word in 'without https' 'no test runs' 'unknown command "state"' 'undelete-secret does not exist' 'rotation.yaml: aws logs tall'; do
	caught "$word" sh -c "cat '$root/.build/pages.log'; exit 1"
done
restore docs/costs.md
restore docs/operating.md
restore docs/uninstalling.md
restore infra/rotation.yaml
mistake .github/workflows/ci.yml 'runs-on: macos-latest' 'runs-on: macos-newest'
caught macos-newest "$actionlint" .github/workflows/ci.yml
restore .github/workflows/ci.yml

# What others judge: a mistake for each of them, all at once.
mistake $template 'EnableKeyRotation: true' 'EnableKeyRotation: false'
sed '/^      Timeout: 300$/d; s/Action: sqs:SendMessage$/Action: sqs:SendMessages/' $template >with.yaml && mv with.yaml $template
mistake infra/github/deploy.yml 'persist-credentials: false' 'persist-credentials: true'
mistake internal/dev/schedule/cron.go 'weekday == 1 \&\& day < length' 'weekday == 1 \&\& day < length-1'
mistake internal/metric/embedded.go 'at.UnixMilli()' 'at.UnixMilli() / 1000'
echo 'zizmor unpinned-uses ci.yml: they are pinned now' >>internal/dev/check/exceptions.txt
"$judges/python" -W ignore internal/dev/check/judge.py >"$root/.build/judge.log" 2>&1
for word in 'checkov CKV_AWS_7 AlarmKey' 'serverless ES1006 Rotator' 'parliament UNKNOWN_ACTION:sqs:SendMessages CallerRole' 'zizmor artipacked deploy.yml' 'schedules start:' 'embedded invalid .*Timestamp' 'no longer found: zizmor unpinned-uses ci.yml'; do
	caught "$word" sh -c "cat '$root/.build/judge.log'; exit 1"
done
for file in $template infra/github/deploy.yml internal/dev/schedule/cron.go internal/metric/embedded.go internal/dev/check/exceptions.txt; do restore $file; done

# The wire: an operation that an emulator has, and one that none has.
mistake infra/cronbearer/wire_test.go '"CloudWatch.PutAlarmMuteRule":  *{"ministack", "moto"},' '"KMS.DescribeKey": {"moto"},'
mistake internal/dev/faults/wire_test.go '"ministack": works, "moto": unknownAction' '"ministack": works, "moto": works'
sh internal/dev/check/wire.sh "$emulator" "$judges" >"$root/.build/wire.log" 2>&1
for word in 'moto has KMS.DescribeKey now' 'CloudWatch.PutAlarmMuteRule: operation error' 'operations (-functionWires +moto)'; do
	caught "$word" sh -c "cat '$root/.build/wire.log'; exit 1"
done
restore infra/cronbearer/wire_test.go
restore internal/dev/faults/wire_test.go

# The bytes.
mkdir -p other/Caller && { cat "$root/.build/lambda/Caller/bootstrap"; echo; } >other/Caller/bootstrap
caught 'EOF on' cmp "$root/.aws-sam/build/Caller/bootstrap" other/Caller/bootstrap
rm -rf other

# The deployment: what the emulator rejects, and what it accepts but must not be so.
built=$root/.aws-sam/build
sed 's/Type: AWS::Scheduler::ScheduleGroup/&s/' "$built/template.yaml" >"$built/broken.yaml"
caught 'Unrecognized resource types' sh internal/dev/check/emulator.sh "$bin" "$emulator" "$built/broken.yaml"
sed 's/MaximumRetryAttempts: 0/MaximumRetryAttempts: 2/' "$built/template.yaml" >"$built/broken.yaml"
caught 'a failed run is retried' sh internal/dev/check/emulator.sh "$bin" "$emulator" "$built/broken.yaml"
rm "$built/broken.yaml"
# The upgrade: what a merge cannot join, and what an update would lose.
sed 's/^    ExampleApi: .*/    Example: { Secret: example }/' "$root/$template" >next.yaml
caught '^CONFLICT\|conflict' sh internal/dev/check/emulator.sh "$bin" "$emulator" "$built/template.yaml" next.yaml
sed 's/AlarmTopicPolicy/TopicPolicy/g' "$root/$template" >next.yaml
caught 'AlarmTopicPolicy was deleted' sh internal/dev/check/emulator.sh "$bin" "$emulator" "$built/template.yaml" next.yaml
rm next.yaml

# A function that does not name its errors.
if [ -x "$root/$6" ]; then
	mistake internal/caller/errors.go 'InvalidJobError' 'BadJobError'
	caught 'not InvalidJobError' sh -c "make -s native && sh internal/dev/check/rie.sh '$root/$6' '$bin/python3'"
	restore internal/caller/errors.go
fi

# What a server of others is told: here not which certificate the client has.
mistake internal/keys/key.go 'k.thumbprint != ""' 'false'
caught 'FAIL caller binary: private_key_jwt with the certificate' sh -c "make -s native && sh internal/dev/check/interop.sh '$bin/python3' '$root/.tools/node' .tools/interop/zitadel"
restore internal/keys/key.go

# The release: an expanded template of another schedule, and one bill too few.
mkdir -p bills && cp "$root"/.build/release-check/*.json bills/ && rm bills/cronbearer-caller_*_amd64.cdx.json
sed 's/rate(1 hour)/rate(2 hours)/' "$root"/.build/release-check/cronbearer-expanded_*.json >"$(echo bills/cronbearer-expanded_*.json)"
"$bin/python" internal/dev/check/release.py bills "$root/.build/release-template/template.yaml" 2>"$root/.build/release.log"
for word in '4 bills of materials' 'Resources JobHourlySync of the expanded template'; do
	caught "$word" sh -c "cat '$root/.build/release.log'; exit 1"
done
rm -r bills

# The vulnerabilities: sources and binaries, each with a database in which every version of one module is vulnerable.
caught 'calls lambda.Start' make vuln VULNDB=internal/dev/check/vulndb
caught 'Your code is affected' make vuln-binaries VULNDB=internal/dev/check/vulndb
mkdir -p nothing/index && echo '{"modified":"2000-01-01T00:00:00Z"}' >nothing/index/db.json && echo '[]' >nothing/index/modules.json && echo '[]' >nothing/index/vulns.json
if ! make vuln VULNDB=nothing >"$root/.build/able.log" 2>&1; then
	cat "$root/.build/able.log" >&2
	status=1
fi
rm -r nothing

# The linters. A stand-in for the package that no one may import, as it is not a dependency.
mkdir config && echo "package config" >config/config.go && echo "module github.com/aws/aws-sdk-go-v2/config" >config/go.mod
go mod edit -require github.com/aws/aws-sdk-go-v2/config@v0.0.0 -replace github.com/aws/aws-sdk-go-v2/config=./config
# What the house forbids, one file for the functions, one for the packages.
cat >functions/caller/mistake.go <<'GO'
package main

import (
	_ "github.com/aws/aws-sdk-go-v2/config"
	_ "github.com/cronbearer/cronbearer/internal/dev/cfn"
	_ "github.com/cronbearer/cronbearer/internal/dev/pricing"
	"os"
)

func init() {
	os.Exit(1)
}
GO
cat >internal/clock/mistake.go <<'GO'
package clock

import (
	"context"
	"fmt"
	"log"
	"net/http"
)

func mistake() {
	fmt.Println("x")
	if len("x") > 1 {
		log.Fatal("x")
	}
	panic("x")
}

func Open(ctx context.Context, client *http.Client) (int, error) {
	request, err := http.NewRequest(http.MethodGet, "https://api.example.com", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}
GO
"$linter" run ./functions/caller ./internal/clock 2>/dev/null >"$root/.build/lint.log"
for word in '(depguard)' 'config. is not allowed' 'internal/dev/cfn. is not allowed' 'internal/dev/pricing. is not allowed' 'os.Exit' 'log.Fatal' 'fmt.Println' 'of .panic' '(gochecknoinits)' '(noctx)' '(bodyclose)' '(unused)' '(wrapcheck)' '(revive)'; do
	caught "$word" sh -c "cat '$root/.build/lint.log'; exit 1"
done
caught mistake.go "$linter" fmt --diff ./functions/caller
rm functions/caller/mistake.go internal/clock/mistake.go

# The tracked files. The words are put together here, so that this file holds none of them.
echo "arn:aws"":s3" >mistake.yaml
echo "see https://py""pi.org, /""work/x, and <""<<<<<< HEAD " | tr ',' '\n' >mistake.txt
git add -A
for word in 'a partition is written out' 'a registry is named' 'a path of one machine' 'white space'; do
	caught "$word" sh internal/dev/check/tree.sh
done
exit "$status"
