"""deployer.py EXPANDED TEMPLATE: the role for CloudFormation in TEMPLATE has what AWS's resource handlers need for the
types in EXPANDED, by AWS's own lists in the schemas that cfn-lint brings, and no more.

The lists also name what only properties need that the application does not set; those actions are in UNUSED.
"""

import json
import sys
from pathlib import Path

import cfnlint
from cfnlint.decode import cfn_yaml

# By prefix, with the property or the operation that would need it.
UNUSED = {
    "elasticfilesystem:": "file systems",
    "firehose:": "deliveries of logs",
    "iam:AttachRolePolicy": "managed policies of a role",
    "iam:DetachRolePolicy": "managed policies of a role",
    "iam:DeleteRolePermissionsBoundary": "the boundary stays",
    "iam:ListRoles": "the list handler",
    "kms:CreateGrant": "a key for variables",
    "kms:Decrypt": "a key for variables",
    "kms:Encrypt": "a key for variables",
    "kms:GenerateDataKey": "a key for variables",
    "kms:DisableKey": "Enabled of a key",
    "kms:EnableKey": "Enabled of a key",
    "kms:ListKeys": "the list handler",
    "kms:ScheduleKeyDeletion": "CI deletes no key",
    "kms:UntagResource": "the tag is the permission",
    "lambda:AssociateRuntimeAlias": "layers and capacity",
    "lambda:DeleteFunctionC": "code signing and reserved concurrency",
    "lambda:GetCodeSigningConfig": "code signing",
    "lambda:GetFunctionScalingConfig": "layers and capacity",
    "lambda:GetLayerVersion": "layers and capacity",
    "lambda:List": "the list handlers",
    "lambda:PassCapacityProvider": "layers and capacity",
    "lambda:PublishVersion": "versions",
    "lambda:PutFunctionC": "code signing and reserved concurrency",
    "lambda:PutFunctionRecursionConfig": "the default",
    "lambda:PutFunctionScalingConfig": "layers and capacity",
    "lambda:PutRuntimeManagementConfig": "the default",
    "logs:AssociateKmsKey": "a key for logs",
    "logs:CreateLogDelivery": "deliveries of logs",
    "logs:Delete": "CI deletes no log; and data protection, indexes",
    "logs:DescribeResourcePolicies": "deliveries of logs",
    "logs:DisassociateKmsKey": "a key for logs",
    "logs:PutBearerTokenAuthentication": "deliveries of logs",
    "logs:PutDataProtectionPolicy": "data protection",
    "logs:PutIndexPolicy": "indexes",
    "logs:PutLogGroupDeletionProtection": "the retention empties it",
    "logs:PutResourcePolicy": "deliveries of logs",
    "s3:GetObjectVersion": "the bucket has no versions",
    "s3:REST": "deliveries of logs",
    "s3files:": "file systems",
    "scheduler:ListSchedule": "the list handlers",
    "sns:List": "the list handlers",
    "sns:PutDataProtectionPolicy": "data protection",
    "sqs:ListQueues": "the list handler",
    "events:ListRules": "the list handler",
}
# In no list of a handler, but needed: CloudFormation's own reading of a function, for rollbacks and drift.
ALSO = {"lambda:GetFunctionConfiguration", "lambda:ListTags"}


def handlers(types):
    """The actions of every handler, by resource type."""
    found = {}
    for file in (Path(cfnlint.__file__).parent / "data/schemas/resources").glob("*.json"):
        schema = json.loads(file.read_text())
        if schema["typeName"] in types:
            found[schema["typeName"]] = {
                action for handler in schema.get("handlers", {}).values() for action in handler.get("permissions", [])
            }
    return found


def main(expanded, template):
    types = {resource["Type"] for resource in json.loads(Path(expanded).read_text())["Resources"].values()}
    # What SAM makes of it: the template brings the role itself.
    types = {"AWS::Lambda::Function" if name == "AWS::Serverless::Function" else name for name in types}
    policies = cfn_yaml.load(template)["Resources"]["CloudFormation"]["Properties"]["Policies"]
    granted = set()
    for statement in policies[0]["PolicyDocument"]["Statement"]:
        if statement["Effect"] == "Allow":
            actions = statement["Action"]
            granted.update([actions] if isinstance(actions, str) else actions)
    needed = handlers(types)
    problems = [f"cfn-lint has no schema of {name}" for name in sorted(types - needed.keys())]
    for name, actions in sorted(needed.items()):
        for action in sorted(actions - granted):
            if not any(action.startswith(prefix) for prefix in UNUSED):
                problems.append(f"{template}: role CloudFormation lacks {action}, which a handler of {name} uses")
    problems += [
        f"{prefix} is in UNUSED, and no handler has it"
        for prefix in UNUSED
        if not any(action.startswith(prefix) for actions in needed.values() for action in actions)
    ]
    everything = set().union(*needed.values()) | ALSO
    problems += [f"{template}: role CloudFormation has {action}, which nothing needs" for action in sorted(granted - everything)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"the role for CloudFormation has what {len(needed)} resource types need: {len(granted)} actions")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
