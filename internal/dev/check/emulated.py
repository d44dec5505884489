"""Compares what the emulator has made of the stack with the template as SAM CLI expands it: run with the emulator's Python.

    python emulated.py STACK CREATE_COMPLETE expanded.json ids.json

ids.json keeps what each resource is called in the account: an update that replaces one loses what it holds.
"""

import json
import pathlib
import sys

import boto3


def main():
    stack, status, expanded, ids = sys.argv[1:]
    with open(expanded, encoding="utf-8") as file:
        resources = json.load(file)["Resources"]
    problems = []
    formation = boto3.client("cloudformation")
    found = formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    if found != status:
        problems.append(f"the stack is {found}, not {status}")
    made = {r["LogicalResourceId"]: r for r in formation.describe_stack_resources(StackName=stack)["StackResources"]}
    for name, resource in resources.items():
        if name not in made and "Condition" not in resource:
            problems.append(f"{name} was not made")
        elif name in made and not made[name]["ResourceStatus"].endswith("_COMPLETE"):
            problems.append(f"{name} is {made[name]['ResourceStatus']}")
    for name in made.keys() - resources.keys():
        problems.append(f"{name} is not a resource of the template")
    problems += services(made)
    problems += replaced(pathlib.Path(ids), {name: r["PhysicalResourceId"] for name, r in made.items()})
    for problem in problems:
        print("emulator:", problem, file=sys.stderr)
    print(f"{len(made)} resources")
    sys.exit(bool(problems))


def replaced(file, now):
    """Compares the resources with those before an update, and keeps them for the next."""
    before = json.loads(file.read_text()) if file.exists() else {}
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            yield f"{name} was replaced: it was {before[name]}, and is {now[name]}"
    for name in before.keys() - now.keys():
        yield f"{name} was deleted"
    file.write_text(json.dumps(now))


def services(made):
    """What the services themselves say: the properties that a first run depends on."""
    physical = {name: r["PhysicalResourceId"] for name, r in made.items()}
    invoke = boto3.client("lambda").get_function_event_invoke_config(FunctionName=physical["Caller"], Qualifier="$LATEST")
    retries, kept = invoke["MaximumRetryAttempts"], invoke["DestinationConfig"]["OnFailure"]["Destination"]
    if retries != 0 or "FailedRuns" not in kept:
        yield f"a failed run is retried or not kept: {retries} retries, then {kept}"
    for queue in "FailedRuns", "DeadLetters":
        policy = boto3.client("sqs").get_queue_attributes(QueueUrl=physical[queue], AttributeNames=["All"])["Attributes"]
        if "aws:SecureTransport" not in policy.get("Policy", ""):
            yield f"{queue} has no policy"
    scheduler = boto3.client("scheduler")
    for schedule in scheduler.list_schedules(GroupName=physical["ScheduleGroup"])["Schedules"]:
        target = scheduler.get_schedule(GroupName=physical["ScheduleGroup"], Name=schedule["Name"])["Target"]
        # CloudFormation writes a boolean of a mapping as JSON does, the emulator as Python does.
        event = json.loads(target["Input"].replace('"idempotent":True', '"idempotent":true'))
        if " https://" not in event["call"] or "DeadLetterConfig" not in target:
            yield f"schedule {schedule['Name']}: {target}"


main()
