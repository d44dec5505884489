#!/bin/sh
# emulator.sh BIN EMULATOR [BUILT [SHIPPED]]: SAM CLI deploys the shipped template, as `sam build` has left it in BUILT, to ministack, an
# emulator of AWS that others wrote: once with the defaults, then as an update that sets every option; and, as another stack, a
# user's template on the previous release, and its upgrade to this one by git's merge. BIN holds sam and its python, EMULATOR
# ministack and its own. With SHIPPED only the upgrade is tried, to that template.
#
# What the emulator cannot do, and what holds it instead:
#   AWS::IAM::RolePolicy is unknown to it: the rotator's is deployed as AWS::IAM::Policy, the older form of the same.
#   AWS::SecretsManager::RotationSchedule (infra/rotation.yaml) and AWS::Chatbot (infra/notifications.yaml) are unknown to it:
#   those two are read by cfn-lint and deployed to the simulator only. So are connections and API destinations in templates:
#   pager.py makes those of infra/notifications.yaml by its API, and sends alarms through the rules.
#   It accepts what AWS rejects: a queue policy with two queues, DeletionPolicy RetainExceptOnCreate, alarms that watch nothing.
#   The tests of package infra hold those.
set -eu
bin=$1 emulator=$2 built=${3:-.aws-sam/build/template.yaml}
here=$(dirname "$0")
. "$here/aws.sh"
work=.build/emulator
rm -rf "$work" && mkdir -p "$work"
# emulated IN OUT: next to the binaries, which the template names relative to itself; as SAM CLI writes it, or as written by hand.
emulated() {
	sed -e 's/Type: AWS::IAM::RolePolicy/Type: AWS::IAM::Policy/' \
		-e '/^      RoleName:$/{N;s/RoleName:\n        Ref: \(.*\)/Roles:\n      - Ref: \1/;}' \
		-e 's/^      RoleName: \(!Ref RotatorRole\)$/      Roles: [\1]/' \
		-e 's/^      CodeUri: \.$/      CodeUri: Caller/' "$1" >"$(dirname "$built")/$2"
}

port=$("$emulator/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=eu-west-1
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port MINISTACK_REGION=eu-west-1 MINISTACK_ACCOUNT_ID=123456789012 TMPDIR=$PWD/$work \
	"$emulator/ministack" >"$work/ministack.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null' EXIT
. "$here/listening.sh"
listening 30 "$emulator/python" "$port" "$server" "$work/ministack.log"

# deploy STACK TEMPLATE STATUS HOW PARAMETER=VALUE…: by SAM CLI as a user does, and then every resource is there and complete.
deploy() {
	stack=$1 template=$(dirname "$built")/$2 status=$3 how=$4
	shift 4
	if ! "$bin/sam" deploy --template "$template" --stack-name "$stack" --resolve-s3 --language-extensions --no-progressbar \
		--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameter-overrides "$@" >"$work/deploy.log" 2>&1; then
		cat "$work/deploy.log" >&2
		exit 1
	fi
	"$bin/python" internal/dev/check/sam_expand.py "$template" "$@" >"$work/expanded.json"
	"$emulator/python" "$here/emulated.py" "$stack" "$status" "$work/expanded.json" "$work/$stack.json"
	echo "deployed by SAM CLI to an emulator, $how: $status"
}
if [ -z "${4:-}" ]; then
	emulated "$built" emulated.yaml
	deploy cronbearer emulated.yaml CREATE_COMPLETE "with the defaults" AllowedHosts=api.example.com
	deploy cronbearer emulated.yaml UPDATE_COMPLETE "updated with every option" 'AllowedHosts=api.example.com,*.example.net:8443' AlarmEmail=ops@example.com \
		ExtraSecretArns=arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf,arn:aws:secretsmanager:eu-west-1:123456789012:secret:b-AbCdEf \
		SecretsKeyArn=arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d IdentityAudiences=api://AzureADTokenExchange,https://api.example.com \
		PermissionsBoundary=arn:aws:iam::123456789012:policy/team RunbookUrl=https://wiki.example.com/runbooks \
		VpcSubnetIds=subnet-0a1b2c3d,subnet-1a2b3c4d VpcSecurityGroupIds=sg-0a1b2c3d \
		RemindAfter=0 SecretCacheTtl=0 LogLevel=debug LogResponses=never
	"$emulator/python" "$here/pager.py" infra/notifications.yaml
fi

# An upgrade: what is merged is the user's; what is deployed keeps every resource, and so the queues' records and the logs.
previous=internal/dev/shipped/testdata/previous.yaml
go run ./internal/dev/check/fork "$previous" >"$work/user.yaml"
if ! git merge-file -p "$work/user.yaml" "$previous" "${4:-internal/dev/shipped/template.yaml}" >"$work/merged.yaml"; then
	echo "an upgrade has conflicts, which the documentation promises it has not:" >&2
	sed -n '/^<<<<<<<[ ]/,/^>>>>>>>[ ]/p' "$work/merged.yaml" >&2
	exit 1
fi
emulated "$work/user.yaml" user.yaml
emulated "$work/merged.yaml" merged.yaml
deploy billing user.yaml CREATE_COMPLETE "a fork of the previous release" 'AllowedHosts=*.cronbearer.dev' AlarmEmail=ops@example.com
deploy billing merged.yaml UPDATE_COMPLETE "its upgrade" 'AllowedHosts=*.cronbearer.dev' AlarmEmail=ops@example.com
