package awsclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Rehearse goes once through what the SDK does for the two calls of a first run, so that the start pays for what is done
// for the first time: a seventh of the first run's CPU. It asks AWS nothing: a stand-in answers. The error is for tests.
func Rehearse(secrets *secretsmanager.Client, cloudWatch *cloudwatch.Client) error {
	ctx := context.Background()
	_, readErr := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("-"), VersionStage: aws.String("AWSCURRENT")},
		func(o *secretsmanager.Options) {
			o.HTTPClient = canned{"application/x-amz-json-1.1", `{"ARN":"-","Name":"-","VersionId":"-","SecretString":"-","VersionStages":["-"],"CreatedDate":1.5}`}
		})
	_, putErr := cloudWatch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("-"), MetricData: []types.MetricDatum{{
		MetricName: aws.String("-"), Timestamp: aws.Time(time.Unix(0, 0)), Value: aws.Float64(0),
		Dimensions: []types.Dimension{{Name: aws.String("-"), Value: aws.String("-")}},
	}}}, func(o *cloudwatch.Options) { o.HTTPClient = canned{"application/cbor", "\xa0"} })
	return errors.Join(readErr, putErr)
}

// canned is an HTTP client that answers by itself.
type canned struct{ contentType, body string }

func (c canned) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {c.contentType}, "Smithy-Protocol": {"rpc-v2-cbor"}},
		Body:   io.NopCloser(bytes.NewReader([]byte(c.body))),
	}, nil
}
