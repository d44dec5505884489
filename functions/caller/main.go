// Command caller is the Lambda function that makes the scheduled calls. It only reads secrets.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/tuning"
)

func main() {
	tuning.ForFunctionSize(os.LookupEnv)
	handler := caller.NewHandler(os.LookupEnv, os.Stdout)
	// aws-lambda-go writes what it has to say, the text of every returned error included, to package log: it must pass the
	// scrubber.
	log.SetFlags(0)
	log.SetOutput(handler.RuntimeLog())
	lambda.Start(handler)
}
