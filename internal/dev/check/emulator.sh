#!/bin/sh
# emulator.sh BIN EMULATOR [BUILT]: SAM CLI deploys the shipped template, as `sam build` has left it in BUILT, to ministack, an
# emulator of AWS that others wrote: once with the defaults, then as an update that sets every option. BIN holds sam and its
# python, EMULATOR ministack and its own.
#
# What the emulator cannot do, and what holds it instead:
#   AWS::IAM::RolePolicy is unknown to it: the rotator's is deployed as AWS::IAM::Policy, the older form of the same.
#   AWS::SecretsManager::RotationSchedule (infra/rotation.yaml) and AWS::Chatbot (infra/notifications.yaml) are unknown to it:
#   those two are read by cfn-lint and deployed to the simulator only.
#   It accepts what AWS rejects: a queue policy with two queues, DeletionPolicy RetainExceptOnCreate, alarms that watch nothing.
#   The tests of package infra hold those.
set -eu
bin=$1 emulator=$2 built=${3:-.aws-sam/build/template.yaml}
here=$(dirname "$0")
. "$here/aws.sh"
work=.build/emulator
rm -rf "$work" && mkdir -p "$work"
# Next to the binaries, which it names relative to itself.
template=$(dirname "$built")/emulated.yaml
sed -e 's/Type: AWS::IAM::RolePolicy/Type: AWS::IAM::Policy/' \
	-e '/^      RoleName:$/{N;s/RoleName:\n        Ref: \(.*\)/Roles:\n      - Ref: \1/;}' "$built" >"$template"

port=$("$emulator/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=eu-west-1
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port MINISTACK_REGION=eu-west-1 MINISTACK_ACCOUNT_ID=123456789012 TMPDIR=$PWD/$work \
	"$emulator/ministack" >"$work/ministack.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null' EXIT
tries=0
until "$emulator/python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
	tries=$((tries + 1))
	if [ "$tries" -gt 60 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$work/ministack.log" >&2
		exit 1
	fi
	sleep 0.5
done

# deploy HOW STATUS PARAMETER=VALUE…: by SAM CLI as a user does, and then every resource is there and complete.
deploy() {
	how=$1 status=$2
	shift 2
	if ! "$bin/sam" deploy --template "$template" --stack-name cronbearer --resolve-s3 --language-extensions --no-progressbar \
		--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameter-overrides "$@" >"$work/deploy.log" 2>&1; then
		cat "$work/deploy.log" >&2
		exit 1
	fi
	"$bin/python" internal/dev/check/sam_expand.py "$built" "$@" >"$work/expanded.json"
	"$emulator/python" "$here/emulated.py" "$status" "$work/expanded.json"
	echo "deployed by SAM CLI to an emulator, $how: $status"
}
deploy "with the defaults" CREATE_COMPLETE AllowedHosts=api.example.com
deploy "updated with every option" UPDATE_COMPLETE 'AllowedHosts=api.example.com,*.example.net:8443' AlarmEmail=ops@example.com \
	ExtraSecretArns=arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf,arn:aws:secretsmanager:eu-west-1:123456789012:secret:b-AbCdEf \
	SecretsKeyArn=arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d IdentityAudiences=api://AzureADTokenExchange,https://api.example.com \
	PermissionsBoundary=arn:aws:iam::123456789012:policy/team RunbookUrl=https://wiki.example.com/runbooks \
	VpcSubnetIds=subnet-0a1b2c3d,subnet-1a2b3c4d VpcSecurityGroupIds=sg-0a1b2c3d \
	RemindAfter=0 SecretCacheTtl=0 LogLevel=debug LogResponses=never
