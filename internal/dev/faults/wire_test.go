package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
)

const (
	works    = "works"
	notAsked = "not asked"
	// noCBOR is how moto answers the protocol in which the SDK calls CloudWatch.
	noCBOR = "404 NOT FOUND"
	// unknownAction is how moto answers an action of STS that it does not have.
	unknownAction = "500 INTERNAL SERVER ERROR"
)

// functionWires are the operations that the functions use, and what comes of each with an emulator of AWS that others
// wrote: works, or its answer, or it is not asked: a reminder follows only a rejection that CloudWatch has stored.
var functionWires = map[string]map[string]string{
	"caller DescribeAlarms":            {"ministack": works, "moto": notAsked},
	"caller GetSecretValue":            {"ministack": works, "moto": works},
	"caller GetWebIdentityToken":       {"ministack": works, "moto": unknownAction},
	"caller PutMetricData":             {"ministack": works, "moto": noCBOR},
	"caller SetAlarmState":             {"ministack": works, "moto": notAsked},
	"rotator DescribeSecret":           {"ministack": works, "moto": works},
	"rotator GetSecretValue":           {"ministack": works, "moto": works},
	"rotator PutMetricData":            {"ministack": works, "moto": noCBOR},
	"rotator PutSecretValue":           {"ministack": works, "moto": works},
	"rotator UpdateSecretVersionStage": {"ministack": works, "moto": works},
}

// TestFunctionsWire: the binaries as they are deployed make their requests to emulators of AWS, which then hold what
// the functions stored. make check-wire starts the emulators and names them, as for the operator's tool.
func TestFunctionsWire(t *testing.T) {
	t.Parallel()
	list := os.Getenv("CRONBEARER_TEST_EMULATORS")
	if list == "" {
		t.Skip("make check-wire starts the emulators")
	}
	for pair := range strings.SplitSeq(list, ",") {
		name, address, _ := strings.Cut(pair, "=")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWireWorld(t, address)
			emulated := w.prepareAlarm(t)
			w.call(t, emulated)
			w.rotate(t, emulated)
			w.mu.Lock()
			defer w.mu.Unlock()
			want := map[string]string{}
			for operation, by := range functionWires {
				want[operation] = by[name]
				if w.answers[operation] == "" {
					w.answers[operation] = notAsked
				}
			}
			if diff := cmp.Diff(want, w.answers); diff != "" {
				t.Errorf("operations (-functionWires +%s)\n%s", name, diff)
			}
		})
	}
}

// wireWorld is an emulator, and a server that accepts good tokens and issues them.
type wireWorld struct {
	secrets *secretsmanager.Client
	metrics *cloudwatch.Client
	emulator,
	host, roots string

	mu      sync.Mutex
	answers map[string]string // by function and operation
}

const (
	wirePrefix = "wired/"
	firstToken = "fake-token-1"
	nextToken  = "fake-token-2"
	// wireVersion is the version that a rotation is to fill.
	wireVersion = "0a1b2c3d-0000-4000-8000-0a1b2c3d4e60"
	wireAlarm   = "wired-TokenRejected-fixed"
)

func newWireWorld(t *testing.T, emulator string) *wireWorld {
	t.Helper()
	authority, err := trusted()
	must(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(serveWire))
	server.TLS, err = authority.ServerConfig()
	must(t, err)
	server.StartTLS()
	t.Cleanup(server.Close)
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &emulator, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
	w := &wireWorld{
		secrets: secretsmanager.NewFromConfig(config), metrics: cloudwatch.NewFromConfig(config),
		emulator: emulator, answers: map[string]string{},
		host:  strings.Replace(server.Listener.Addr().String(), "127.0.0.1", "localhost", 1),
		roots: filepath.Join(t.TempDir(), "roots.pem"),
	}
	must(t, os.WriteFile(w.roots, authority.PEM, 0o600))
	return w
}

// serveWire issues the next token, accepts a JWT, and the fixed tokens but for the path that rejects them.
func serveWire(rw http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	status, body := http.StatusUnauthorized, `{}`
	switch {
	case r.URL.Path == "/token" && r.FormValue("refresh_token") == "fake-refresh-1":
		status, body = http.StatusOK, `{"access_token":"`+nextToken+`","token_type":"Bearer","expires_in":3600,`+
			`"refresh_token":"fake-refresh-2"}`
	case r.URL.Path == rejectedPath:
	case bearer == firstToken, bearer == nextToken, strings.Count(bearer, ".") == 2:
		status, body = http.StatusOK, `{"ok":true}`
	}
	answers(status, body, "Content-Type", "application/json")(rw, r)
}

// start starts a function whose requests to the emulator are noted.
func (w *wireWorld) start(t *testing.T, function string) *lambda.Process {
	t.Helper()
	to, err := url.Parse(w.emulator)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(answer *http.Response) error {
			operation, _ := answer.Request.Context().Value(operationKey{}).(string)
			w.note(function+" "+operation, answer)
			if operation == "DescribeSecret" && answer.StatusCode == http.StatusOK {
				return openRotation(answer)
			}
			return nil
		},
	}
	tap := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing, the emulator misses
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), operationKey{}, wiredOperation(r, body))))
	}))
	t.Cleanup(tap.Close)
	process, err := lambda.Start(t.Context(), binaryOf(t, function), []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + tap.URL,
		"STACK_NAME=wired", "METRIC_NAMESPACE=Wired", "SECRET_PREFIX=" + wirePrefix, "ALLOWED_HOSTS=" + w.host,
		"ALARM_PREFIX=wired-TokenRejected-", "EXTRA_CA_FILE=" + w.roots,
		"CRONBEARER_TEST_ALLOW_LOOPBACK=1", "CRONBEARER_TEST_NO_SETTLING=1",
	}, t.TempDir())
	must(t, err)
	t.Cleanup(process.Close)
	return process
}

type operationKey struct{}

// wiredOperation also knows the query protocol of STS.
func wiredOperation(r *http.Request, body []byte) string {
	if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
		return form.Get("Action")
	}
	return operationOf(r)
}

// note keeps the best answer: a version that is not there yet, and that the rotator asks for, is an error.
func (w *wireWorld) note(operation string, answer *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case answer.StatusCode == http.StatusOK:
		w.answers[operation] = works
	case w.answers[operation] == "":
		w.answers[operation] = answer.Status
	}
}

// openRotation adds what neither emulator keeps: a rotation that is waiting for its function. Theirs ends, or calls a
// function of their own, within RotateSecret. Once the version has a value its labels are the emulator's.
func openRotation(answer *http.Response) error {
	var secret map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&secret); err != nil {
		return err
	}
	secret["RotationEnabled"], secret["RotationLambdaARN"] = true, functionARN
	if versions, ok := secret["VersionIdsToStages"].(map[string]any); ok && versions[wireVersion] == nil {
		versions[wireVersion] = []string{"AWSPENDING"}
	}
	text, err := json.Marshal(secret)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Set("Content-Length", fmt.Sprint(len(text)))
	return err
}

// invokeWire returns the error's type and what the function printed.
func invokeWire(t *testing.T, process *lambda.Process, event object) (errorType, printed string) {
	t.Helper()
	payload, err := json.Marshal(event)
	must(t, err)
	answer, dead, err := process.Invoke(t.Context(), lambda.Event{
		RequestID: "00000000-0000-4000-8000-000000000001", Payload: payload, FunctionARN: functionARN,
	}, time.Minute)
	must(t, err)
	if dead {
		t.Fatalf("the process has exited: %s", answer.Message)
	}
	out := process.Output()
	return answer.ErrorType, string(out.Stdout) + string(out.Stderr)
}

// call runs jobs whose tokens are accepted, rejected and made by STS, and reads what the emulator has of them if it
// emulates CloudWatch.
func (w *wireWorld) call(t *testing.T, emulated bool) {
	t.Helper()
	w.put(t, "fixed", firstToken)
	w.put(t, "identity", object{"aws_identity": object{"audience": "https://" + w.host}})
	process := w.start(t, "caller")
	job := func(name, token, path, want string) {
		t.Helper()
		got, printed := invokeWire(t, process, object{
			"job": name, "token": token, "secret": token, "attempts": 1, "call": "GET https://" + w.host + path,
		})
		if got != want {
			t.Errorf("%s: %q, want %q\n%s", name, got, want, printed)
		}
		if embedded := strings.Contains(printed, `"_aws":`); embedded == emulated {
			t.Errorf("%s: metrics in the log: %t, CloudWatch is emulated: %t\n%s", name, embedded, emulated, printed)
		}
	}
	job("Accepted", "fixed", "/v1/sync", "")
	job("Rejected", "fixed", rejectedPath, "TokenRejectedError")
	identity := ""
	if !emulated {
		identity = "TokenUnavailableError"
	}
	job("Identity", "identity", "/v1/sync", identity)
	if !emulated {
		return
	}
	for _, d := range []struct {
		metric, dimension, owner string
		want                     float64
	}{
		{metric: "Heartbeat", dimension: "Job", owner: "Accepted", want: 1},
		{metric: "TokenRejected", dimension: "Token", owner: "fixed", want: 1},
		{metric: "TokenRejected", dimension: "Token", owner: "identity", want: 0},
	} {
		w.checkDatum(t, d.metric, d.dimension, d.owner, d.want)
	}
	out, err := w.metrics.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{wireAlarm}})
	must(t, err)
	state, reason := out.MetricAlarms[0].StateValue, aws.ToString(out.MetricAlarms[0].StateReason)
	if state != cwtypes.StateValueAlarm || !strings.HasPrefix(reason, "Reminder: ") {
		t.Errorf("the alarm is %s: %s", state, reason)
	}
}

// prepareAlarm creates an alarm with a reminder that another run has not finished, and reports whether the emulator
// speaks CloudWatch's protocol.
func (w *wireWorld) prepareAlarm(t *testing.T) bool {
	t.Helper()
	_, err := w.metrics.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String(wireAlarm), Namespace: aws.String("Wired"), MetricName: aws.String("Other"),
		Statistic: cwtypes.StatisticMaximum, Period: aws.Int32(300), EvaluationPeriods: aws.Int32(1), //nolint:mnd // any
		Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanOrEqualToThreshold,
	})
	if err != nil {
		return false
	}
	_, err = w.metrics.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{
		AlarmName: aws.String(wireAlarm), StateValue: cwtypes.StateValueInsufficientData,
		StateReason: aws.String("Reminder: the alarm fires again immediately."),
	})
	must(t, err)
	return true
}

// rotate renews a refresh token in the four steps, and reads the versions.
func (w *wireWorld) rotate(t *testing.T, emulated bool) {
	t.Helper()
	arn, first := w.put(t, "renewed", object{
		"token": firstToken, "test": "GET https://" + w.host + "/v1/me", "oauth2": object{
			"grant": "refresh_token", "token_url": "https://" + w.host + "/token", "client_id": "client",
			"client_secret": "fake-client-secret", "refresh_token": "fake-refresh-1",
		},
	})
	process := w.start(t, "rotator")
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		failure, printed := invokeWire(t, process, object{"Step": step, "SecretId": arn, "ClientRequestToken": wireVersion})
		if failure != "" {
			t.Fatalf("%s: %s\n%s", step, failure, printed)
		}
	}
	for stage, want := range map[string]struct{ version, token, refresh string }{
		"AWSCURRENT":  {version: wireVersion, token: nextToken, refresh: "fake-refresh-2"},
		"AWSPREVIOUS": {version: first, token: firstToken, refresh: "fake-refresh-1"},
	} {
		out, err := w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
			SecretId: &arn, VersionStage: aws.String(stage),
		})
		must(t, err)
		if *out.VersionId != want.version || !strings.Contains(*out.SecretString, `"`+want.token+`"`) ||
			!strings.Contains(*out.SecretString, `"`+want.refresh+`"`) {
			t.Errorf("%s is %s, %s", stage, *out.VersionId, *out.SecretString)
		}
	}
	out, err := w.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn})
	must(t, err)
	for version, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			if strings.HasPrefix(stage, "cronbearer-renewal.") {
				t.Errorf("the label of the lease is still on %s: %s", version, stage)
			}
		}
	}
	if emulated {
		w.checkDatum(t, "RotationFailed", "Secret", "renewed", 0)
	}
}

func (w *wireWorld) put(t *testing.T, name string, document any) (arn, version string) {
	t.Helper()
	text, plain := document.(string)
	if !plain {
		encoded, err := json.Marshal(document)
		must(t, err)
		text = string(encoded)
	}
	out, err := w.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(wirePrefix + name), SecretString: &text,
	})
	must(t, err)
	return *out.ARN, *out.VersionId
}

func (w *wireWorld) checkDatum(t *testing.T, metric, dimension, owner string, want float64) {
	t.Helper()
	now := time.Now()
	out, err := w.metrics.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(now.Add(-time.Hour)), EndTime: aws.Time(now.Add(time.Minute)),
		MetricDataQueries: []cwtypes.MetricDataQuery{{
			Id: aws.String("m0"), MetricStat: &cwtypes.MetricStat{
				Period: aws.Int32(3600), Stat: aws.String("Maximum"), Metric: &cwtypes.Metric{ //nolint:mnd // an hour
					Namespace: aws.String("Wired"), MetricName: &metric, Dimensions: []cwtypes.Dimension{
						{Name: aws.String("Stack"), Value: aws.String("wired")}, {Name: &dimension, Value: &owner},
					},
				},
			},
		}},
	})
	must(t, err)
	values := out.MetricDataResults[0].Values
	if len(values) == 0 || values[0] != want {
		t.Errorf("%s of %s %s is %v, want %v", metric, dimension, owner, values, want)
	}
}
