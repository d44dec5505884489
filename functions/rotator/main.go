// Command rotator is the Lambda function that Secrets Manager runs to renew a token. It is the only one that writes
// secrets.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cronbearer/cronbearer/internal/rotation"
	"github.com/cronbearer/cronbearer/internal/tuning"
)

func main() {
	tuning.ForFunctionSize(os.LookupEnv)
	handler := rotation.NewHandler(os.LookupEnv, os.Stdout)
	// As in the caller: what aws-lambda-go logs itself must pass the scrubber.
	log.SetFlags(0)
	log.SetOutput(handler.RuntimeLog())
	lambda.Start(handler)
}
