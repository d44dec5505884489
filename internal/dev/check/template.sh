#!/bin/sh
# template.sh BIN [TEMPLATE]: lints the shipped templates, not the user's, and compares how SAM CLI expands TEMPLATE's loops
# with how package cfn does. BIN holds sam, cfn-lint and their python.
set -eu
bin=$(cd "$1" && pwd) template=${2:-internal/dev/shipped/template.yaml}
here=$(dirname "$0")
. "$here/aws.sh"
work=.build/check
mkdir -p "$work"

echo "sam validate --lint"
"$bin/sam" validate --lint --language-extensions --template "$template"

echo "cfn-lint"
for file in "$template" infra/*.yaml; do
	if [ -f "$file" ]; then
		"$bin/cfn-lint" --custom-rules "$here/cfn-lint.rules" -- "$file"
	fi
done

# expand NAME PARAMETER=VALUE…: once as SAM CLI sees the template, and once as package cfn does.
expand() {
	name=$1
	shift
	echo "expanded by SAM CLI and by internal/dev/cfn: $name"
	"$bin/python" internal/dev/check/sam_expand.py "$template" "$@" >"$work/expanded-$name.json"
	# Resolved maps and conditions look unused (W7001, W8001, W8003); SAM CLI leaves in what a condition removes, with
	# its references emptied (W1001, E3512). The lint of the template itself, above, checks all of them.
	"$bin/cfn-lint" --custom-rules "$here/cfn-lint.rules" --ignore-checks W1001 W7001 W8001 W8003 E3512 -- "$work/expanded-$name.json"
	for parameter in "$@"; do
		set -- "$@" --parameter "$parameter"
		shift
	done
	go run ./infra/cronbearer check -t "$template" --same-as "$work/expanded-$name.json" "$@"
}
expand defaults AllowedHosts=api.example.com
expand everything 'AllowedHosts=api.example.com,*.example.net:8443' AlarmEmail=ops@example.com \
	AlarmTopicArn=arn:aws-us-gov:sns:eu-west-1:123456789012:ops \
	ExtraSecretArns=arn:aws-us-gov:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf,arn:aws-us-gov:secretsmanager:eu-west-1:123456789012:secret:b-AbCdEf \
	SecretsKeyArn=arn:aws-us-gov:kms:eu-west-1:123456789012:key/0a1b2c3d \
	VpcSubnetIds=subnet-0a1b2c3d,subnet-1a2b3c4d VpcSecurityGroupIds=sg-0a1b2c3d \
	PermissionsBoundary=arn:aws-us-gov:iam::123456789012:policy/team IdentityAudiences=api://AzureADTokenExchange,https://api.example.com \
	RunbookUrl=https://wiki.example.com/runbooks LogResponses=never \
	RemindAfter=0 SecretCacheTtl=0 IdempotencyHeader= LogLevel=debug

echo "infra/deployer.yaml grants what the resources need"
"$bin/python" "$here/deployer.py" "$work/expanded-everything.json" infra/deployer.yaml

echo "what internal/dev/lint accepts as YAML, read by SAM CLI"
SAM_PYTHON=$bin/python go test -count=1 ./internal/dev/lint -run TestSAMReadsWhatIsAccepted
