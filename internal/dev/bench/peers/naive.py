"""The job as most Python functions do it: boto3, the secret read and a metric sent in every run.

The loop is the smallest that speaks the Runtime API: AWS's own (awslambdaric) does more, so a real start is slower.
"""
import http.client
import json
import os

import boto3
import urllib3

secrets = boto3.client("secretsmanager")
cloudwatch = boto3.client("cloudwatch")
pool = urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"])


def handle(event):
    token = secrets.get_secret_value(SecretId=os.environ["BENCH_SECRET"])["SecretString"]
    method, location = event["call"].split(" ", 1)
    response = pool.request(method, location, headers={"Authorization": "Bearer " + token}, retries=False)
    cloudwatch.put_metric_data(
        Namespace="Bench",
        MetricData=[{
            "MetricName": "TokenRejected",
            "Value": 1.0 if response.status == 401 else 0.0,
            "Dimensions": [{"Name": "Job", "Value": event["job"]}],
        }],
    )
    if response.status != 200:
        raise RuntimeError(f"status {response.status}")


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = runtime.getresponse()
    body = answer.read()
    where = "/2018-06-01/runtime/invocation/" + answer.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        handle(json.loads(body))
        runtime.request("POST", where + "/response", body=b"null")
    except RuntimeError as error:
        text = json.dumps({"errorType": "RuntimeError", "errorMessage": str(error)}).encode()
        runtime.request("POST", where + "/error", body=text)
    runtime.getresponse().read()
