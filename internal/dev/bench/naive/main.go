// Command naive is the job as most functions do it: the SDK's default configuration, the secret read in every run,
// http.DefaultClient, a metric in every run. It is a module of its own, as the caller does without the SDK's config.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

type job struct {
	Job  string `json:"job"`
	Call string `json:"call"`
}

type function struct {
	secrets    *secretsmanager.Client
	cloudWatch *cloudwatch.Client
}

func (f function) handle(ctx context.Context, j job) error {
	secret, err := f.secrets.GetSecretValue(
		ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(os.Getenv("BENCH_SECRET"))},
	)
	if err != nil {
		return err
	}
	method, location, _ := strings.Cut(j.Call, " ")
	request, err := http.NewRequestWithContext(ctx, method, location, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+aws.ToString(secret.SecretString))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err != nil {
		return err
	}
	rejected := 0.0
	if response.StatusCode == http.StatusUnauthorized {
		rejected = 1
	}
	_, err = f.cloudWatch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("Bench"),
		MetricData: []types.MetricDatum{{
			MetricName: aws.String("TokenRejected"), Value: aws.Float64(rejected),
			Dimensions: []types.Dimension{{Name: aws.String("Job"), Value: aws.String(j.Job)}},
		}},
	})
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(function{secretsmanager.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg)}.handle)
}
