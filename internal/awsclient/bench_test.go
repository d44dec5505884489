package awsclient_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
)

// BenchmarkAWS is what the SDK itself takes of a request: AWS answers at once, without a network.
func BenchmarkAWS(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	b.Setenv("AWS_SECRET_ACCESS_KEY", strings.Repeat("x", 40))
	b.Setenv("AWS_SESSION_TOKEN", strings.Repeat("y", 400))
	s := config.Settings{Region: "eu-west-1"}
	says := func(contentType, body string) answer {
		return func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				ContentLength: int64(len(body)),
				Header:        http.Header{"Content-Type": {contentType}, "Smithy-Protocol": {"rpc-v2-cbor"}},
				Body:          io.NopCloser(strings.NewReader(body)),
			}, nil
		}
	}
	b.Run("GetSecretValue", func(b *testing.B) {
		client := awsclient.SecretsManager(
			s,
			says(
				"application/x-amz-json-1.1",
				`{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:S/a-a1b2c3","Name":"S/a",`+
					`"VersionId":"3f1f3a52-6f1c-4f7e-9d4e-8e6f5f9a1c11","SecretString":"token-0123456789",`+
					`"VersionStages":["AWSCURRENT"],"CreatedDate":1.5}`,
			),
		)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.GetSecretValue(
				b.Context(),
				&secretsmanager.GetSecretValueInput{SecretId: aws.String("S/a"), VersionStage: aws.String("AWSCURRENT")},
			); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PutMetricData", func(b *testing.B) {
		client := awsclient.CloudWatch(s, says("application/cbor", "\xa0"))
		datum := types.MetricDatum{
			MetricName: aws.String("TokenRejected"), Timestamp: aws.Time(time.Unix(1, 0)), Value: aws.Float64(1),
			Dimensions: []types.Dimension{
				{Name: aws.String("Stack"), Value: aws.String("S")}, {Name: aws.String("Token"), Value: aws.String("T")},
			},
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.PutMetricData(
				b.Context(),
				&cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{datum, datum}},
			); err != nil {
				b.Fatal(err)
			}
		}
	})
}
