"""Deploys infra/notifications.yaml to the emulator and sends it alarms: run with the emulator's Python.

    python pager.py infra/notifications.yaml

The emulator's own patterns, input transformers, merging of body parameters and calls of API destinations are tried, with a
server on this machine in place of PagerDuty. Its CloudFormation knows neither connections nor API destinations, so those
are made through its API from the template's properties; and no one but AWS may send events of source aws.cloudwatch, so
the rules listen to another. It does not model retries and dead letters: package notifications_test does.
"""

import functools
import http.server
import json
import re
import sys
import threading
import time

import boto3
import yaml

KEY = "e93facc04764012d7bfb002500d5d1a6"
SOURCE = "cronbearer.check"
DEAD = "arn:aws:sqs:eu-west-1:123456789012:dead"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:topic"
NASTY = 'a "quoted" \\ text,\nwith a <line> & a break\tand a tab, é, \u2028'

problems, received = [], []
client = functools.cache(boto3.client)


class PagerDuty(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


def properties(text, resource, secret):
    """The properties of a resource, with references to the secret's parameter resolved as CloudFormation does."""
    loader = type("Loader", (yaml.SafeLoader,), {})

    def function(loader, suffix, node):
        value = loader.construct_mapping(node, True) if isinstance(node, yaml.MappingNode) else (
            loader.construct_sequence(node, True) if isinstance(node, yaml.SequenceNode) else loader.construct_scalar(node))
        if suffix != "Sub" or not isinstance(value, str):
            return str(value)
        value = re.sub(r"\$\{PagerDutyKeySecretArn\}", secret, value)
        return re.sub(r"\{\{resolve:secretsmanager:(.*):SecretString\}\}", lambda m: client("secretsmanager").get_secret_value(
            SecretId=m[1])["SecretString"], value)

    loader.add_multi_constructor("!", function)
    return yaml.load(text, loader)["Resources"][resource]["Properties"]


def without(text, *resources):
    for name in resources:
        text, n = re.subn(rf"(?ms)^  {name}:\n.*?(?=^  \S|\Z)", "", text, count=1)
        if n != 1:
            problems.append(f"the template has no resource {name}")
    return text


def deploy(text, endpoint):
    secret = client("secretsmanager").create_secret(Name="pagerduty", SecretString=KEY)["ARN"]
    events = client("events")
    connection = properties(text, "PagerDutyConnection", secret)
    made = events.create_connection(
        Name="pagerduty", AuthorizationType=connection["AuthorizationType"], AuthParameters=connection["AuthParameters"])
    destination = events.create_api_destination(
        Name="pagerduty", ConnectionArn=made["ConnectionArn"], InvocationEndpoint=endpoint,
        HttpMethod=properties(text, "PagerDuty", secret)["HttpMethod"])["ApiDestinationArn"]
    text = without(text, "PagerDuty", "PagerDutyConnection", "Webhook", "WebhookConnection", "Slack", "Teams")
    text = text.replace("!GetAtt PagerDuty.Arn", f"'{destination}'").replace("!GetAtt Webhook.Arn", "'arn:unused'")
    text = text.replace("source: [aws.cloudwatch]", f"source: [{SOURCE}]")
    formation = client("cloudformation")
    parameters = {"StackName": "cronbearer", "TopicArn": TOPIC, "DeadLetterArn": DEAD, "PagerDutyKeySecretArn": secret}
    formation.create_stack(
        StackName="cronbearer-notifications", TemplateBody=text, Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()])
    for _ in range(150):
        stack = formation.describe_stacks(StackName="cronbearer-notifications")["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        sys.exit(f"emulator: the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")


def send(alarm, state, before, reason="Threshold Crossed: 1 datapoint"):
    """Sends a change of an alarm's state, and returns what PagerDuty gets for it."""
    dimensions = {"Stack": "cronbearer", "Token": "ExampleApi", "Job": "HourlySync"}
    detail = {
        "alarmName": alarm, "state": {"value": state, "reason": NASTY, "reasonData": json.dumps({"a": NASTY})},
        "previousState": {"value": before, "reason": reason},
        "configuration": {"description": NASTY, "metrics": [{"id": "m", "metricStat": {"metric": {"dimensions": dimensions}}}]},
    }
    received.clear()
    out = client("events").put_events(Entries=[
        {"Source": SOURCE, "DetailType": "CloudWatch Alarm State Change", "Detail": json.dumps(detail)}])
    if out["FailedEntryCount"]:
        problems.append(f"{alarm} was not accepted: {out}")
    end = time.monotonic() + 0.3
    while time.monotonic() < end and not received:
        time.sleep(0.02)
    time.sleep(0.03)  # for a second call, which would be one too many
    return list(received)


def expect(alarm, state, before, action, severity=None, reason="Threshold Crossed: 1 datapoint"):
    calls = send(alarm, state, before, reason)
    what = f"{alarm}, {before} to {state}"
    if len(calls) != (action is not None):
        problems.append(f"{what}: {len(calls)} calls")
        return
    if action is None:
        return
    path, headers, text = calls[0]
    try:
        body = json.loads(text)
    except ValueError as error:
        problems.append(f"{what}: {error} in {text}")
        return
    if path != "/v2/enqueue" or not headers["Content-Type"].startswith("application/json"):
        problems.append(f"{what}: {path}, {headers}")
    want = {"routing_key": KEY, "event_action": action, "dedup_key": f"123456789012:eu-west-1:{alarm}"}
    found = {name: body.get(name) for name in want}
    if found != want:
        problems.append(f"{what}: {found}")
    if action != "trigger":
        return
    payload = body["payload"]
    details = payload["custom_details"]
    if payload["severity"] != severity or alarm not in payload["summary"] or len(payload["summary"]) > 1024:
        problems.append(f"{what}: {payload}")
    if details["configuration"]["description"] != NASTY or details["state"]["reason"] != NASTY:
        problems.append(f"{what}: the texts have changed: {details}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PagerDuty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    deploy(text, f"http://127.0.0.1:{server.server_port}/v2/enqueue")
    for kind, severity in {
        "TokenRejected-ExampleApi": "critical", "Silent-HourlySync": "critical", "TokenExpiring-ExampleApi": "warning",
        "FailedRuns": "error", "DeadLetters": "error", "RecordsLost": "error", "StartsDropped": "error",
        "RotationFailed-example-api": "error", "Throttled": "warning",
    }.items():
        alarm = "cronbearer-" + kind
        expect(alarm, "ALARM", "OK", "trigger", severity)
        expect(alarm, "OK", "ALARM", "resolve")
    expect("cronbearer-FailedRuns", "OK", "INSUFFICIENT_DATA", None, reason="Unchecked: Initial alarm creation")
    expect("cronbearer-TokenRejected-ExampleApi", "INSUFFICIENT_DATA", "ALARM", None)
    expect("cronbearer-Silent-HourlySync", "INSUFFICIENT_DATA", "OK", "trigger", "critical")
    expect("cronbearer-Silent-HourlySync", "INSUFFICIENT_DATA", "ALARM", None)
    expect("cronbearer-prod-FailedRuns", "ALARM", "OK", None)
    for problem in problems:
        print("emulator:", problem, file=sys.stderr)
    print("alarms reach PagerDuty through an emulator's rules and API destination, both ways")
    sys.exit(bool(problems))


main()
