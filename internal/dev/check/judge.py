"""judge.py NAME…: programs that others wrote judge what this repository ships. Run with the Python of .tools/judges,
which has them, at the root of the tree.

Each finding is one line, "JUDGE RULE PLACE". It fails the check unless exceptions.txt has it with its reason; an
exception that no longer matches a finding fails it too.
"""

import datetime
import fnmatch
import glob
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TEMPLATES = ["internal/dev/shipped/template.yaml", *sorted(glob.glob("infra/*.yaml"))]
WORKFLOWS = sorted(glob.glob(".github/workflows/*.yml") + glob.glob("infra/github/*.yml"))


def run(*command, fails=()):
    """What a program prints; it may end with 0 or one of fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, *fails):
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def judged(subject):
    """What the tree's own program prints for a subject, one document a line."""
    return [json.loads(line) for line in run("go", "run", "./internal/dev/check/judged", subject).splitlines()]


def checkov():
    """Misconfigured resources; nothing is downloaded."""
    reports = json.loads(
        run(
            BIN / "checkov", "--skip-download", "--compact", "--quiet", "--framework", "cloudformation", "github_actions",
            "--output", "json", *(argument for file in TEMPLATES + WORKFLOWS for argument in ("--file", file)), fails=(1,),
        )
    )  # fmt: skip
    for report in reports:
        if report["summary"]["parsing_errors"]:
            yield f"unreadable {report['check_type']}"
        for found in report["results"]["failed_checks"]:
            yield f"{found['check_id']} {found['resource'].split('.')[-1]}"


def serverless():
    """AWS's rules for serverless applications, cfn-lint-serverless."""
    command = [BIN / "cfn-lint", "--append-rules", "cfn_lint_serverless.rules", "--format", "json", "--", *TEMPLATES]
    own = ("ES", "WS")
    for found in json.loads(run(*command, fails=range(1, 64))):
        if found["Rule"]["Id"].startswith(own):
            yield f"{found['Rule']['Id']} {found['Location']['Path'][1]}"


def parliament():
    """Policies that IAM would not read as they are meant. It does not know trust policies, which name no resource."""
    from parliament import analyze_policy_string

    for policy in judged("policies"):
        if policy["place"].endswith(" trust"):
            continue
        for statement in policy["document"]["Statement"]:
            action = statement["Action"]
            sid = statement.get("Sid") or (action if isinstance(action, str) else action[0])
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            for found in analyze_policy_string(document).findings:
                for detail in details(found):
                    yield f"{found.issue}{detail} {policy['place']}.{sid}"


def details(found):
    """The actions or the condition that a finding of parliament is about, each after a colon."""
    if found.issue == "UNKNOWN_CONDITION_FOR_ACTION":
        return {":" + found.detail.split()[2]}
    if isinstance(found.detail, list):
        return {":" + (one["action"] if isinstance(one, dict) else one) for one in found.detail}
    return {":" + found.location["string"]} if "string" in found.location else {""}


def zizmor():
    """Workflows that hand out more than they should, by zizmor's strictest audit, offline."""
    command = [BIN / "zizmor", "--offline", "--persona", "auditor", "--no-exit-codes", "--format", "json", *WORKFLOWS]
    for found in json.loads(run(*command)):
        key = found["locations"][0]["symbolic"]["key"]["Local"]
        file = Path(key.get("verbatim_path") or key["given_path"]).name  # of zizmor for Python 3.10
        yield f"{found['ident']} {file}"


def schedules():
    """Cron expressions: the next starts by internal/dev/schedule, and by aws-croniter."""
    from aws_croniter import AwsCroniter

    compared = 0
    for one in judged("schedules"):
        expression, at = one["expression"], datetime.datetime.fromtimestamp(one["from"], datetime.timezone.utc)
        try:
            theirs = AwsCroniter(expression)
        except ValueError as error:
            if "error" not in one:
                yield f"accepted:{error} {expression}"
            continue
        if "it never runs" in one.get("error", ""):
            if theirs.get_next(at, 1) != [None]:
                yield f"start:never:{theirs.get_next(at, 1)} {expression}"
        elif "error" in one:
            yield f"rejected:{one['error']} {expression}"
        for start in one.get("next", []):
            (at,) = theirs.get_next(at, 1)
            if at is None:  # it looks ahead a few years only
                break
            compared += 1
            if at.timestamp() != start:
                yield f"start:{start}:{at} {expression}"
                break
    if compared < 10_000:
        yield f"compared only {compared}"


def embedded():
    """Metrics in the log, by the schema of the embedded metric format, whose text is AWS's and whose reader jsonschema."""
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(json.loads((HERE / "judged" / "emf.schema.json").read_text(encoding="utf-8")))
    for line in judged("embedded"):
        errors = [error.json_path for error in schema.iter_errors(line)]
        yield from (f"invalid {path}" for path in errors)
        for directive in [] if errors else line["_aws"]["CloudWatchMetrics"]:
            for name in (name for names in directive["Dimensions"] for name in names):
                if not isinstance(line.get(name), str):
                    yield f"no-dimension {name}"
            for name in (metric["Name"] for metric in directive["Metrics"]):
                if not isinstance(line.get(name), (int, float)):
                    yield f"no-value {name}"


JUDGES = {judge.__name__: judge for judge in (checkov, serverless, parliament, zizmor, schedules, embedded)}


def main():
    logging.disable()
    names = sys.argv[1:] or list(JUDGES)
    exceptions = {}
    for line in (HERE / "exceptions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            finding, _, reason = line.partition(": ")
            if not reason:
                sys.exit(f"exceptions.txt: no reason: {line}")
            exceptions[finding] = reason
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(names, pool.map(lambda name: list(JUDGES[name]()), names)))
    problems = 0
    for name in names:
        findings = sorted({f"{name} {finding}" for finding in found[name]})
        expected = [pattern for pattern in exceptions if pattern.split()[0] == name]
        for finding in findings:
            if not any(fnmatch.fnmatchcase(finding, pattern) for pattern in expected):
                print("found:", finding, file=sys.stderr)
                problems += 1
        for pattern in expected:
            if not any(fnmatch.fnmatchcase(finding, pattern) for finding in findings):
                print("exceptions.txt, no longer found:", pattern, file=sys.stderr)
                problems += 1
        print(f"{name}: {len(findings)} findings, {len(expected)} exceptions")
    sys.exit(problems > 0)


main()
