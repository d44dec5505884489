// The job as most Node.js functions do it: SDK v3, the secret read and a metric sent in every run. The loop is the
// smallest that speaks the Runtime API.
'use strict';
const http = require('node:http');
const https = require('node:https');
const { SecretsManagerClient, GetSecretValueCommand } = require('@aws-sdk/client-secrets-manager');
const { CloudWatchClient, PutMetricDataCommand } = require('@aws-sdk/client-cloudwatch');

const secrets = new SecretsManagerClient({});
const cloudWatch = new CloudWatchClient({});
const toTarget = new https.Agent({ keepAlive: true });
const toRuntime = new http.Agent({ keepAlive: true, maxSockets: 1 });
const runtime = 'http://' + process.env.AWS_LAMBDA_RUNTIME_API + '/2018-06-01/runtime/invocation/';

function request(library, location, options, body) {
  return new Promise((resolve, reject) => {
    const sent = library.request(location, options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function handle(event) {
  const secret = await secrets.send(new GetSecretValueCommand({ SecretId: process.env.BENCH_SECRET }));
  const [method, location] = event.call.split(' ');
  const response = await request(https, location, { method, agent: toTarget, headers: { Authorization: 'Bearer ' + secret.SecretString } });
  await cloudWatch.send(new PutMetricDataCommand({
    Namespace: 'Bench',
    MetricData: [{
      MetricName: 'TokenRejected',
      Value: response.status === 401 ? 1 : 0,
      Dimensions: [{ Name: 'Job', Value: event.job }],
    }],
  }));
  if (response.status !== 200) throw new Error('status ' + response.status);
}

(async () => {
  for (;;) {
    const next = await request(http, runtime + 'next', { agent: toRuntime });
    const id = next.headers['lambda-runtime-aws-request-id'];
    try {
      await handle(JSON.parse(next.text));
      await request(http, runtime + id + '/response', { method: 'POST', agent: toRuntime }, 'null');
    } catch (error) {
      const text = JSON.stringify({ errorType: error.name, errorMessage: error.message });
      await request(http, runtime + id + '/error', { method: 'POST', agent: toRuntime }, text);
    }
  }
})();
