"""awscli.py: commands of the AWS CLI, as `go run ./internal/dev/check/commands` prints them, against the API models of
botocore, from which the AWS CLI makes its commands: the operation exists, has each option, and gets what it requires.
"""

import json
import sys

import botocore.session
import jmespath
from botocore import xform_name

# What the AWS CLI adds to every command, with or without a value.
EVERYWHERE = {"region", "profile", "output", "query", "cli-binary-format", "no-cli-pager", "max-items", "page-size"}
# Its own commands, which no model has.
OWN = {
    ("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides", "role-arn", "tags", "no-fail-on-empty-changeset"},
    ("cloudformation", "package"): {"template-file", "s3-bucket", "output-template-file", "use-json"},
    ("logs", "tail"): {"since", "follow", "filter-pattern", "format"},
}
SESSION = botocore.session.get_session()


def operation(service, command):
    try:
        model = SESSION.get_service_model(service)
    except botocore.exceptions.UnknownServiceError:
        return None
    for name in model.operation_names:
        if xform_name(name, "-") == command:
            return model.operation_model(name)
    return None


def problems(whole, service, command, *words):
    options = {word.split("=")[0][2:]: following for word, following in zip(words, [*words[1:], ""]) if word.startswith("--")}
    if "query" in options and "X" not in options["query"]:
        try:
            jmespath.compile(options["query"])
        except jmespath.exceptions.ParseError as error:
            yield f"--query: {error}"
    if (service, command) in OWN:
        yield from (f"has no --{name}" for name in options.keys() - OWN[service, command] - EVERYWHERE)
        return
    model = operation(service, command)
    if model is None:
        yield "does not exist"
        return
    members = model.input_shape.members if model.input_shape else {}
    known = {xform_name(name, "-"): shape for name, shape in members.items()}
    switches = {"no-" + name for name, shape in known.items() if shape.type_name == "boolean"}
    yield from (f"has no --{name}" for name in sorted(options.keys() - known.keys() - switches - EVERYWHERE))
    if not whole:
        return
    required = {xform_name(name, "-") for name in (model.input_shape.required_members if model.input_shape else [])}
    automatic = {xform_name(name, "-") for name in model.idempotent_members}
    for name in sorted(required - automatic - options.keys()):
        if not (service, command, name) == ("lambda", "invoke", "outfile"):
            yield f"needs --{name}"


def main():
    found, count = 0, 0
    for line in sys.stdin:
        file, how, _, service, command, *words = json.loads(line)
        count += 1
        for problem in problems(how == "whole", service, command, *words):
            found += 1
            print(f"{file}: aws {service} {command} {problem}", file=sys.stderr)
    print(f"the AWS CLI knows the {count} commands of pages and alarms")
    return bool(found) or count < 100


if __name__ == "__main__":
    sys.exit(main())
