package awsclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
)

// wire answers requests as AWS does, or not at all.
type wire struct {
	answer   func(*http.Request) (status int, header http.Header, body []byte)
	requests []*http.Request
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.requests = append(w.requests, r)
	if w.answer == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status, header, body := w.answer(r)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func fault(status int, code string) func(*http.Request) (int, http.Header, []byte) {
	return func(r *http.Request) (int, http.Header, []byte) {
		if strings.Contains(r.URL.Host, "secretsmanager") {
			return status, http.Header{"X-Amzn-Errortype": {code}}, []byte(`{"__type":"` + code + `"}`)
		}
		return status, http.Header{
			"Smithy-Protocol": {"rpc-v2-cbor"}, "Content-Type": {"application/cbor"},
		}, cbor.Encode(cbor.Map{"__type": cbor.String(code)})
	}
}

func environment(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
}

// PutMetricData is tried twice, 2.5 s each, and what no retry fixes is tried once. A read of a secret gets three tries
// of 5 s.
func TestTries(t *testing.T) {
	environment(t)
	s := config.Settings{Region: "eu-west-1"}
	publish := func(ctx context.Context, w *wire) error {
		_, err := awsclient.CloudWatch(s, w).PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
			Namespace: aws.String("N"), MetricData: []types.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(1)}},
		})
		return err
	}
	read := func(ctx context.Context, w *wire) error {
		_, err := awsclient.SecretsManager(s, w).GetSecretValue(
			ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSCURRENT")},
		)
		return err
	}
	cases := map[string]struct {
		call  func(context.Context, *wire) error
		wire  *wire
		tries int
		most  time.Duration
		code  string
	}{
		"publish, no answer": {call: publish, wire: &wire{}, tries: 2, most: 6 * time.Second, code: ""},
		"publish, throttled": {
			call: publish, wire: &wire{answer: fault(400, "ThrottlingException")}, tries: 2, most: time.Second,
			code: "ThrottlingException",
		},
		"publish, 500": {
			call: publish, wire: &wire{answer: fault(500, "InternalServiceFault")}, tries: 2, most: time.Second,
			code: "InternalServiceFault",
		},
		"publish, denied": {
			call: publish, wire: &wire{answer: fault(403, "AccessDenied")}, tries: 1, most: 0, code: "AccessDenied",
		},
		"publish, bad value": {
			call: publish, wire: &wire{answer: fault(400, "InvalidParameterValue")}, tries: 1, most: 0,
			code: "InvalidParameterValue",
		},
		"publish, old clock": {
			call: publish, wire: &wire{answer: fault(403, "ExpiredTokenException")}, tries: 1, most: 0,
			code: "ExpiredTokenException",
		},
		"publish, redirected": {call: publish, wire: &wire{answer: func(*http.Request) (int, http.Header, []byte) {
			return 302, http.Header{"Location": {"https://example.com/"}}, nil
		}}, tries: 1, most: 0, code: ""},
		"read, no answer": {call: read, wire: &wire{}, tries: 3, most: 17 * time.Second, code: ""},
		"read, throttled": {
			call: read, wire: &wire{answer: fault(400, "ThrottlingException")}, tries: 3, most: 2 * time.Second,
			code: "ThrottlingException",
		},
		"read, internal error": {
			call: read, wire: &wire{answer: fault(500, "InternalServiceError")}, tries: 3, most: 2 * time.Second,
			code: "InternalServiceError",
		},
		"read, missing": {
			call: read, wire: &wire{answer: fault(400, "ResourceNotFoundException")}, tries: 1, most: 0,
			code: "ResourceNotFoundException",
		},
		"read, denied": {
			call: read, wire: &wire{answer: fault(400, "AccessDeniedException")}, tries: 1, most: 0,
			code: "AccessDeniedException",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				err := c.call(t.Context(), c.wire)
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(started); took > c.most {
					t.Errorf("it took %s, want %s at most", took, c.most)
				}
				if len(c.wire.requests) != c.tries {
					t.Errorf("%d tries, want %d: %s", len(c.wire.requests), c.tries, err)
				}
				if api, ok := errors.AsType[smithy.APIError](err); c.code != "" && (!ok || api.ErrorCode() != c.code) {
					t.Errorf("%v, want code %s", err, c.code)
				}
			})
		})
	}
}

// The SDK itself does not retry what it could not read to the end.
// An outage does not use up the retries of the time after it.
func TestRetriesDoNotRunOut(t *testing.T) {
	environment(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: fault(500, "InternalServiceError")}
		client := awsclient.SecretsManager(config.Settings{Region: "eu-west-1"}, w)
		for run := range 200 {
			w.requests = nil
			_, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
				SecretId: aws.String("s"), VersionStage: aws.String("AWSCURRENT"),
			})
			if err == nil || len(w.requests) != 3 {
				t.Fatalf("run %d: %d tries: %v", run, len(w.requests), err)
			}
		}
	})
}

func TestAnswerThatIsCutOffIsRetried(t *testing.T) {
	environment(t)
	const secret = `{"ARN":"arn","Name":"s","VersionId":"v","SecretString":"value"}`
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		cut := answer(func(r *http.Request) (*http.Response, error) {
			requests++
			response := &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(secret))}
			if requests < 3 {
				response.Body = io.NopCloser(failing{strings.NewReader(secret[:20])})
			}
			return response, nil
		})
		out, err := awsclient.SecretsManager(config.Settings{Region: "eu-west-1"}, cut).GetSecretValue(
			t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
		if err != nil || aws.ToString(out.SecretString) != "value" || requests != 3 {
			t.Errorf("%v after %d requests: %v", out, requests, err)
		}
	})
}

func TestRequestsAreSignedAndNotCompressed(t *testing.T) {
	environment(t)
	w := &wire{answer: fault(403, "AccessDenied")}
	data := make([]types.MetricDatum, 500)
	for i := range data {
		data[i] = types.MetricDatum{MetricName: aws.String("M"), Value: aws.Float64(1)}
	}
	_, _ = awsclient.CloudWatch(config.Settings{Region: "eu-west-1"}, w).PutMetricData(
		t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: data},
	)
	r := w.requests[0]
	if r.URL.Host != "monitoring.eu-west-1.amazonaws.com" || r.URL.Scheme != "https" {
		t.Errorf("sent to %s", r.URL)
	}
	if r.Header.Get("Content-Encoding") != "" ||
		!strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") ||
		r.Header.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("headers %v", r.Header)
	}
}

func TestEndpoints(t *testing.T) {
	environment(t)
	cases := map[string]struct {
		settings            config.Settings
		secrets, cloudWatch string
	}{
		"AWS's own": {
			settings: config.Settings{Region: "eu-west-1"}, secrets: "https://secretsmanager.eu-west-1.amazonaws.com",
			cloudWatch: "https://monitoring.eu-west-1.amazonaws.com",
		},
		"China": {
			settings: config.Settings{Region: "cn-north-1"}, secrets: "https://secretsmanager.cn-north-1.amazonaws.com.cn",
			cloudWatch: "https://monitoring.cn-north-1.amazonaws.com.cn",
		},
		"FIPS": {
			settings:   config.Settings{Region: "us-east-1", UseFIPS: true},
			secrets:    "https://secretsmanager-fips.us-east-1.amazonaws.com",
			cloudWatch: "https://monitoring-fips.us-east-1.amazonaws.com",
		},
		"the user's": {
			settings: config.Settings{
				Region: "eu-west-1", UseFIPS: true, SecretsEndpoint: "http://127.0.0.1:4566",
				CloudWatchEndpoint: "https://vpce.example.com",
			},
			secrets: "http://127.0.0.1:4566", cloudWatch: "https://vpce.example.com",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := &wire{answer: fault(403, "AccessDenied")}
			_, _ = awsclient.SecretsManager(c.settings, w).GetSecretValue(
				t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")},
			)
			_, _ = awsclient.CloudWatch(c.settings, w).PutMetricData(
				t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{}},
			)
			for i, want := range []string{c.secrets, c.cloudWatch} {
				if got := w.requests[i].URL.Scheme + "://" + w.requests[i].URL.Host; got != want {
					t.Errorf("sent to %s, want %s", got, want)
				}
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	w := &wire{}
	_, err := awsclient.SecretsManager(config.Settings{Region: "eu-west-1"}, w).GetSecretValue(
		t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")},
	)
	if err == nil || !strings.Contains(err.Error(), "no AWS credentials") || len(w.requests) != 0 {
		t.Errorf("%v after %d requests", err, len(w.requests))
	}
}

func TestTransportHasNoProxy(t *testing.T) {
	t.Parallel()
	if awsclient.NewTransport(nil).Proxy != nil {
		t.Error("AWS is called through a proxy of the environment")
	}
}
