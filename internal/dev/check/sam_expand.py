"""Prints a template as SAM CLI expands it, for `cronbearer check --same-as`: run with the Python of SAM CLI's environment.

    python sam_expand.py template.yaml [Name=value]…
    python sam_expand.py --open template.yaml

With --open, for a release: only the loops are unrolled, so that parameters and pseudo parameters stay what a deployment makes of them.
"""

import json
import sys

from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse

# What package cfn uses by default.
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "cronbearer",
    "AWS::URLSuffix": "amazonaws.com",
}


def restore(value):
    """SAM CLI drops the Fn::Sub around a text of which it could resolve only a part."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return value
        return {key: restore(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [restore(inner) for inner in value]
    if isinstance(value, str) and "${" in value:
        return {"Fn::Sub": value}
    return value


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--open"]
    with open(arguments[0], encoding="utf-8") as file:
        template = yaml_parse(file.read())
    stays_open = "--open" in sys.argv
    parameters = {} if stays_open else PSEUDO | dict(argument.split("=", 1) for argument in arguments[1:])
    expanded = expand_language_extensions(template, parameters, enabled=True).expanded_template
    expanded = {section: restore(body) if section in ("Resources", "Outputs") else body for section, body in expanded.items()}
    if stays_open:
        expanded["Transform"] = "AWS::Serverless-2016-10-31"
    json.dump(expanded, sys.stdout, indent=1 if stays_open else None)


main()
