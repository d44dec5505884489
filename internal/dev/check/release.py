"""Checks what `make release` has built: run with the Python of SAM CLI's environment.

    python release.py .build/release template.yaml

The bills of materials name what the programs are made of, and the expanded template becomes the same resources as the packaged
one, whatever the parameters.
"""

import glob
import json
import sys

import sam_expand

PARAMETERS = [
    {"AllowedHosts": "api.example.com"},
    {
        "AllowedHosts": "api.example.com,*.example.net:8443",
        "AlarmEmail": "ops@example.com",
        "AlarmTopicArn": "arn:aws-us-gov:sns:eu-west-1:123456789012:ops",
        "PermissionsBoundary": "arn:aws-us-gov:iam::123456789012:policy/team",
        "ExtraSecretArns": "arn:aws-us-gov:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf",
        "SecretsKeyArn": "arn:aws-us-gov:kms:eu-west-1:123456789012:key/0a1b2c3d",
        "IdentityAudiences": "api://AzureADTokenExchange,https://api.example.com",
        "VpcSubnetIds": "subnet-0a1b2c3d,subnet-1a2b3c4d",
        "VpcSecurityGroupIds": "sg-0a1b2c3d",
        "RemindAfter": "0",
        "LogResponses": "never",
    },
]


def main():
    folder, packaged = sys.argv[1:]
    problems = [*bills(folder), *expansions(packaged, *glob.glob(folder + "/cronbearer-expanded_*.json"))]
    for problem in problems:
        print("release:", problem, file=sys.stderr)
    sys.exit(bool(problems))


def bills(folder):
    """CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json."""
    paths = glob.glob(folder + "/*.cdx.json")
    if len(paths) != 5:
        yield f"{len(paths)} bills of materials, not one for each of five binaries"
    for path in paths:
        with open(path, encoding="utf-8") as file:
            bill = json.load(file)
        if (bill["bomFormat"], bill["specVersion"]) != ("CycloneDX", "1.6"):
            yield f"{path}: {bill['bomFormat']} {bill['specVersion']}"
        names = {component["name"] for component in bill["components"] if component.get("version")}
        for want in {"std", "github.com/aws/aws-sdk-go-v2", *(["github.com/aws/aws-lambda-go"] if "cronbearer-" in path else [])} - names:
            yield f"{path} does not name {want} and its version"


def expansions(packaged, expanded):
    whole, unrolled = sam_expand.read(packaged), sam_expand.read(expanded)
    unrolled["Transform"] = whole["Transform"]  # or SAM CLI would leave it as it is
    for parameters in PARAMETERS:
        want, got = sam_expand.expanded(whole, parameters), sam_expand.expanded(unrolled, parameters)
        for section in "Resources", "Outputs", "Conditions", "Parameters":
            for name in sorted(want[section].keys() | got[section].keys()):
                if want[section].get(name) != got[section].get(name):
                    yield f"{section} {name} of the expanded template is not that of the packaged one, with {len(parameters)} parameters"


main()
