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


# What a deployment decides, under names that SAM CLI does not resolve.
DECIDED = {"Fn::If": "Decided::If", "Condition": "Decided::Condition"}
NOTHING, DECIDED_NOTHING = {"Ref": "AWS::NoValue"}, {"Decided::Nothing": ""}


def rename(value, names, nothing):
    before, after = nothing
    if value == before:
        return after
    if isinstance(value, dict):
        return {names.get(key, key): rename(inner, names, nothing) for key, inner in value.items()}
    return [rename(inner, names, nothing) for inner in value] if isinstance(value, list) else value


def unrolled(template):
    """Expands the loops and the maps alone: what depends on a parameter or a condition stays as it is written."""
    kept = {section: template[section] for section in ("Conditions", "Parameters", "Metadata")}
    open_template = {section: body for section, body in template.items() if section not in ("Conditions", "Parameters")}
    open_template = rename(open_template, DECIDED, (NOTHING, DECIDED_NOTHING))
    open_template["Parameters"] = {
        name: {key: inner for key, inner in parameter.items() if key != "Default"} for name, parameter in template["Parameters"].items()
    }
    result = restored(expand_language_extensions(open_template, {}, enabled=True).expanded_template)
    back = {new: old for old, new in DECIDED.items()}
    result = {**rename(result, back, (DECIDED_NOTHING, NOTHING)), **kept, "Transform": "AWS::Serverless-2016-10-31"}
    # All maps are resolved.
    return {section: result[section] for section in template if section in result and section != "Mappings"}


def restored(template):
    return {section: restore(body) if section in ("Resources", "Outputs") else body for section, body in template.items()}


def expanded(template, parameters):
    """Expands everything, for a deployment with these parameters."""
    return restored(expand_language_extensions(template, PSEUDO | parameters, enabled=True).expanded_template)


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml_parse(file.read())


def main():
    if sys.argv[1] == "--open":
        json.dump(unrolled(read(sys.argv[2])), sys.stdout, indent=1)
    else:
        json.dump(expanded(read(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:])), sys.stdout)


if __name__ == "__main__":
    main()
