"""Compares what the emulator has made of the stack with the template as SAM CLI expands it: run with the emulator's Python.

    python emulated.py CREATE_COMPLETE expanded.json
"""

import json
import sys

import boto3

STACK = "cronbearer"


def main():
    status, expanded = sys.argv[1:]
    with open(expanded, encoding="utf-8") as file:
        resources = json.load(file)["Resources"]
    problems = []
    formation = boto3.client("cloudformation")
    found = formation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    if found != status:
        problems.append(f"the stack is {found}, not {status}")
    made = {r["LogicalResourceId"]: r for r in formation.describe_stack_resources(StackName=STACK)["StackResources"]}
    for name, resource in resources.items():
        if name not in made and "Condition" not in resource:
            problems.append(f"{name} was not made")
        elif name in made and not made[name]["ResourceStatus"].endswith("_COMPLETE"):
            problems.append(f"{name} is {made[name]['ResourceStatus']}")
    for name in made.keys() - resources.keys():
        problems.append(f"{name} is not a resource of the template")
    problems += services(made)
    for problem in problems:
        print("emulator:", problem, file=sys.stderr)
    print(f"{len(made)} resources")
    sys.exit(bool(problems))


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
        event = json.loads(target["Input"])
        if not event["call"].startswith(("GET https://", "POST https://")) or "DeadLetterConfig" not in target:
            yield f"schedule {schedule['Name']}: {target}"


main()
